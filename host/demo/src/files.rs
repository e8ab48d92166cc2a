//! The shop's files: a little application state to back up, and a certificate that expires tomorrow.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::DemoError;

pub(crate) fn write(directory: &Path) -> Result<(), DemoError> {
    let (state, backups, certificates) =
        (directory.join("application"), directory.join("backups"), directory.join("certificates"));
    for path in [&state, &backups, &certificates] {
        fs::create_dir_all(path)?;
    }
    fs::set_permissions(&backups, fs::Permissions::from_mode(0o700))?;
    fs::write(state.join("settings.json"), "{\"currency\": \"EUR\", \"country\": \"DE\"}\n")?;
    for number in 0..50 {
        fs::write(state.join(format!("invoice-{number:04}.txt")), format!("Invoice {number}\n").repeat(200))?;
    }
    let mut parameters = CertificateParams::new(vec!["shop.example".to_owned()])?;
    let now = std::time::SystemTime::now();
    parameters.not_before = date_time_ymd(2024, 1, 1);
    parameters.not_after = (now + std::time::Duration::from_secs(86_400)).into();
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    fs::write(certificates.join("shop.example.pem"), certificate.pem())?;
    let private = certificates.join("shop.example.key");
    fs::write(&private, key.serialize_pem())?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
