//! security-renew-certificates with a real nginx that serves real certificates over TLS.
//!
//! No authority can be asked from a test, so a script stands in for certbot (and for lego) at the program's boundary. It
//! behaves as the real one does: it ends with 0 whether or not it renewed, writes the next generation into `archive` and
//! turns the links in `live`, says what the real one says, and fails with 1. All the rest is real: the handshakes,
//! `nginx -t`, the reload of the running server.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use hostler_tests::{Hostler, Nginx, Output, Signal, eventually, free_port};

const CERTBOT: &str = r#"#!/bin/sh
# $1 is what it is told to be like; the rest are certbot's arguments.
cd "$(dirname "$0")" || exit 70
echo "$*" >> calls
name=shop.example
live=letsencrypt/live/$name archive=letsencrypt/archive/$name
for argument in "$@"; do
  case $argument in
    --dry-run) dry=yes ;;
    renew | --no-random-sleep-on-renew | --cert-name=$name) ;;
    *) echo "certbot: error: unrecognized arguments: $argument" >&2; exit 2 ;;
  esac
done
echo "Saving debug log to /var/log/letsencrypt/letsencrypt.log" >&2
behaviour=$(cat behaviour)
if [ -n "$dry" ]; then
  [ "$behaviour" = trial-fails ] || { echo "Congratulations, all simulated renewals succeeded"; exit 0; }
  echo "Failed to renew certificate $name with error: Some challenges have failed." >&2
  echo "All simulated renewals failed. The following certificates could not be renewed:" >&2
  exit 1
fi
case $behaviour in
  not-due) echo "The following certificates are not due for renewal yet:"; echo "No renewals were attempted."; exit 0 ;;
  fails) echo "Failed to renew certificate $name with error: too many certificates already issued" >&2; exit 1 ;;
  slow) sleep 2 ;;
esac
last=$(ls $archive | sed -n 's/^cert\([0-9]*\)\.pem$/\1/p' | sort -n | tail -1)
next=$((last + 1))
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$name" \
  -addext "subjectAltName=DNS:$name" -keyout $archive/privkey$next.pem -out $archive/cert$next.pem 2>/dev/null || exit 1
cp $archive/cert$next.pem $archive/fullchain$next.pem
for kind in cert fullchain privkey; do ln -sfn ../../archive/$name/$kind$next.pem $live/$kind.pem; done
echo "Congratulations, all renewals succeeded:"
"#;

const LEGO: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 70
echo "$*" >> calls
[ "$1 $2" = "--domains=shop.example renew" ] || { echo "flag provided but not defined: $*" >&2; exit 1; }
[ "$(cat behaviour)" = not-due ] && { echo "[shop.example] The certificate expires in 80 days: no renewal." >&2; exit 0; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=shop.example" \
  -addext "subjectAltName=DNS:shop.example" -keyout lego/certificates/shop.example.key -out lego/certificates/shop.example.crt 2>/dev/null
"#;

struct Site {
    host: Hostler,
    nginx: Nginx,
}

/// A certificate of 90 days, of which so many are left, with its key.
fn certificate(left: i64) -> (String, String) {
    let mut parameters = rcgen::CertificateParams::new(vec!["shop.example".to_owned()]).expect("a name");
    let now = SystemTime::now();
    let day = |days: i64| Duration::from_secs(days.unsigned_abs() * 86_400);
    let after = |days: i64| if days < 0 { now - day(days) } else { now + day(days) };
    parameters.not_before = after(left - 90).into();
    parameters.not_after = (after(left) + Duration::from_secs(60)).into();
    let key = rcgen::KeyPair::generate().expect("a key");
    (parameters.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

fn script(path: PathBuf, text: &str) {
    fs::write(&path, text).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn site(left: i64, settings: &str) -> Site {
    let port = free_port();
    let host = Hostler::new("");
    let directory = host.path().display().to_string();
    for below in ["letsencrypt/live/shop.example", "letsencrypt/archive/shop.example", "lego/certificates"] {
        fs::create_dir_all(host.path().join(below)).expect("a directory");
    }
    let (certificate, key) = certificate(left);
    let archive = host.path().join("letsencrypt/archive/shop.example");
    for (kind, text) in [("cert", &certificate), ("fullchain", &certificate), ("privkey", &key)] {
        fs::write(archive.join(format!("{kind}1.pem")), text).expect("a file");
        let link = host.path().join(format!("letsencrypt/live/shop.example/{kind}.pem"));
        symlink(format!("../../archive/shop.example/{kind}1.pem"), link).expect("a link");
    }
    fs::write(host.path().join("lego/certificates/shop.example.crt"), &certificate).expect("a file");
    fs::write(host.path().join("lego/certificates/shop.example.key"), &key).expect("a file");
    fs::write(host.path().join("behaviour"), "renews").expect("a file");
    script(host.path().join("certbot"), CERTBOT);
    script(host.path().join("lego-client"), LEGO);
    let (file, key) = match settings.contains("\"lego\"") {
        true => ("lego/certificates/shop.example.crt", "lego/certificates/shop.example.key"),
        false => ("letsencrypt/live/shop.example/fullchain.pem", "letsencrypt/live/shop.example/privkey.pem"),
    };
    let nginx = Nginx::start(
        &format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {directory}/{file}; ssl_certificate_key {directory}/{key}; root site; }}\n"
        ),
        "",
    );
    let prefix = nginx.path().display();
    script(
        host.path().join("nginx"),
        &format!(
            "#!/bin/sh\necho \"nginx $*\" >> {directory}/calls\nexec /usr/sbin/nginx -p {prefix} -c nginx.conf -e logs/error.log \"$@\"\n"
        ),
    );
    let bound = if settings.contains("\"lego\"") { "directory.lego" } else { "directory.letsencrypt" };
    host.configure(&format!(
        "[directory.letsencrypt]\npath = \"{{directory}}/letsencrypt\"\n[directory.lego]\npath = \"{{directory}}/lego\"\n\
         [endpoint.shop]\nurl = \"tcp://127.0.0.1:{port}\"\n\
         [program.certbot]\npath = \"{{directory}}/certbot\"\nconfine = \"off\"\nallow = [\
         {{ arguments = [\"renew\", \"--dry-run\", \"--cert-name={{text}}\", \"--no-random-sleep-on-renew\"] }}, \
         {{ arguments = [\"renew\", \"--cert-name={{text}}\", \"--no-random-sleep-on-renew\"] }}]\n\
         [program.lego]\npath = \"{{directory}}/lego-client\"\nconfine = \"off\"\nallow = [{{ arguments = [\"--domains={{text}}\", \"renew\", \"--days={{1-3650}}\"] }}]\n\
         [program.nginx]\npath = \"{{directory}}/nginx\"\nconfine = \"off\"\nallow = [{{ arguments = [\"-t\"], effect = \"reads\" }}, {{ arguments = [\"-s\", \"reload\"] }}]\n\
         [tasks.task]\nplugin = \"security-renew-certificates\"\nbind = {{ certificates = \"{bound}\", endpoints = [\"endpoint.shop\"], \
         certbot = \"program.certbot\", lego = \"program.lego\", nginx = \"program.nginx\" }}\nsettings = {{ wait = \"5s\"{}{settings} }}\n",
        if settings.is_empty() { "" } else { ", " }
    ));
    host.install(&["security-renew-certificates"]);
    let site = Site { host, nginx };
    eventually("nginx serves TLS", || !site.served(port).is_empty());
    site
}

impl Site {
    fn behaves(&self, behaviour: &str) {
        fs::write(self.host.path().join("behaviour"), behaviour).expect("a file");
    }

    /// What was called since the last look, certbot and nginx.
    fn calls(&self) -> Vec<String> {
        let path = self.host.path().join("calls");
        let calls = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        calls.lines().map(str::to_owned).collect()
    }

    fn run(&self, command: &str) -> Output {
        self.host.run(&[command, "task", "--format", "json"])
    }

    /// The serial that the server sends, as openssl reads it in a handshake of its own.
    fn served(&self, port: u16) -> String {
        let command = format!(
            "openssl s_client -connect 127.0.0.1:{port} -servername shop.example </dev/null 2>/dev/null | openssl x509 -noout -serial 2>/dev/null"
        );
        let output = Command::new("sh").args(["-c", &command]).output().expect("openssl");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn port(&self) -> u16 {
        let text = fs::read_to_string(self.host.configuration()).expect("a configuration");
        let port = text.split("tcp://127.0.0.1:").nth(1).and_then(|rest| rest.split('"').next()).expect("an endpoint");
        port.parse().expect("a port")
    }

    fn generations(&self) -> usize {
        let entries = fs::read_dir(self.host.path().join("letsencrypt/archive/shop.example")).expect("it is there");
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("cert")).count()
    }
}

#[test]
fn what_is_due_is_tried_renewed_loaded_and_served_and_a_second_run_does_nothing() {
    let site = site(20, "");
    let before = site.served(site.port());
    let plan = site.run("plan");
    assert_eq!(
        (plan.code, plan.findings("task")),
        (1, vec!["warning renewal-due shop.example".to_owned()]),
        "{plan:?}"
    );
    assert_eq!(site.calls(), ["nginx -t"], "a plan only looks");
    assert_eq!((site.generations(), site.served(site.port())), (1, before.clone()));
    let steps = plan.task("task")["plan"]["steps"].as_array().map(Vec::len);
    assert_eq!(steps, Some(2), "the renewal and the reload: {plan:?}");

    let planned = plan.task("task")["run_id"].as_str().expect("a run").to_owned();
    let run = site.host.run(&["run", "task", "--plan", &planned, "--format", "json"]);
    assert_eq!((run.code, run.findings("task").len()), (0, 0), "{run:?}");
    assert_eq!(run.task("task")["summary"], "1 certificate, 1 due, 1 renewed, loaded and served");
    assert_eq!(
        site.calls(),
        [
            "renew --dry-run --cert-name=shop.example --no-random-sleep-on-renew",
            "renew --cert-name=shop.example --no-random-sleep-on-renew",
            "nginx -t",
            "nginx -s reload"
        ]
    );
    let after = site.served(site.port());
    assert!(after != before && site.generations() == 2, "{before} {after}");

    let again = site.run("run");
    assert_eq!((again.code, site.calls().len(), site.generations()), (0, 0, 2), "{again:?}");
    assert_eq!(site.served(site.port()), after);
}

/// The guide's own mistake: `certbot renew` ends with 0, and nobody looks further.
#[test]
fn certbot_that_ends_well_and_renews_nothing_is_critical() {
    let site = site(20, "");
    site.behaves("not-due");
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (2, vec!["critical not-renewed shop.example".to_owned()]), "{run:?}");
    assert!(
        run.stdout.contains("ended with 0 and renewed nothing") && run.stdout.contains("not due for renewal yet"),
        "{run:?}"
    );
    assert!(site.calls().iter().all(|call| !call.contains("reload")), "there is nothing to load");
}

#[test]
fn a_failed_trial_or_renewal_is_as_bad_as_the_time_that_is_left() {
    let site = site(20, "");
    site.behaves("trial-fails");
    let trial = site.run("run");
    assert_eq!(trial.findings("task"), ["warning dry-run-failed shop.example"], "{trial:?}");
    assert!(trial.stdout.contains("Some challenges have failed"), "{trial:?}");
    assert_eq!(site.calls().len(), 1, "no renewal after a failed trial");
    site.behaves("fails");
    let failed = site.run("run");
    assert_eq!((failed.code, failed.findings("task")), (1, vec!["warning renewal-failed shop.example".to_owned()]));
    assert!(failed.stdout.contains("too many certificates already issued"), "{failed:?}");
    let late = self::site(10, "");
    late.behaves("fails");
    let critical = late.run("run");
    assert_eq!(
        (critical.code, critical.findings("task")),
        (2, vec!["critical renewal-failed shop.example".to_owned()])
    );
    assert_eq!((site.generations(), late.generations()), (1, 1));
    // An expired one is renewed all the same.
    let expired = self::site(-1, "");
    assert_eq!(expired.run("run").code, 0);
    assert_eq!(expired.generations(), 2);
}

#[test]
fn what_was_renewed_is_not_loaded_into_a_broken_configuration_and_is_once_it_is_mended() {
    let site = site(20, "");
    let before = site.served(site.port());
    let configuration = site.nginx.path().join("nginx.conf");
    let good = fs::read_to_string(&configuration).expect("a configuration");
    fs::write(&configuration, good.replace("events {}", "events {}\nunknown_directive on;")).expect("it is broken");
    let broken = site.run("run");
    assert_eq!(
        (broken.code, broken.findings("task")),
        (2, vec!["critical configuration-invalid nginx".to_owned()]),
        "{broken:?}"
    );
    assert!(broken.stdout.contains("unknown_directive"), "it says where: {broken:?}");
    assert_eq!((site.generations(), site.served(site.port())), (2, before.clone()), "renewed, and not served");
    assert!(site.calls().iter().all(|call| call != "nginx -s reload"));

    fs::write(&configuration, good).expect("it is mended");
    let plan = site.run("plan");
    assert_eq!(plan.findings("task"), ["warning reload-due shop"], "{plan:?}");
    site.calls();
    let mended = site.run("run");
    assert_eq!(
        (mended.code, site.calls()),
        (0, vec!["nginx -t".to_owned(), "nginx -s reload".to_owned()]),
        "{mended:?}"
    );
    assert!(site.served(site.port()) != before && site.generations() == 2, "no second renewal");
}

#[test]
fn a_server_that_goes_on_sending_another_certificate_is_critical() {
    let site = site(20, "");
    // Its configuration names a copy, which nobody renews.
    let archive = site.host.path().join("letsencrypt/archive/shop.example");
    for (from, to) in [("fullchain1.pem", "copy.pem"), ("privkey1.pem", "copy.key")] {
        fs::copy(archive.join(from), site.nginx.path().join(to)).expect("a copy");
    }
    let configuration = site.nginx.path().join("nginx.conf");
    let text = fs::read_to_string(&configuration).expect("a configuration");
    let live = site.host.path().join("letsencrypt/live/shop.example").display().to_string();
    let copied =
        text.replace(&format!("{live}/fullchain.pem"), "copy.pem").replace(&format!("{live}/privkey.pem"), "copy.key");
    fs::write(&configuration, copied).expect("a configuration");
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (2, vec!["critical not-served shop".to_owned()]), "{run:?}");
    assert!(run.stdout.contains("after the reload the certificate shop.example is not served"), "{run:?}");
}

#[test]
fn a_run_that_was_killed_between_renewal_and_reload_is_finished_by_the_next() {
    let site = site(20, "");
    let before = site.served(site.port());
    site.behaves("slow");
    let running = site.host.start(&["run", "task"]);
    eventually("certbot is renewing", || {
        let calls = fs::read_to_string(site.host.path().join("calls")).unwrap_or_default();
        calls.lines().any(|call| call.starts_with("renew --cert-name"))
    });
    running.signal(Signal::KILL);
    drop(running);
    std::thread::sleep(Duration::from_millis(2500));
    site.behaves("renews");
    site.calls();
    let next = site.run("run");
    assert_eq!(next.code, 0, "{next:?}");
    assert_ne!(site.served(site.port()), before, "{next:?} {:?}", site.calls());
    assert_eq!(site.generations(), 2, "renewed once, whoever finished it: {next:?} {:?}", site.calls());
    let last = site.run("run");
    assert_eq!((last.code, site.generations()), (0, 2), "{last:?}");
}

#[test]
fn what_cannot_be_looked_at_is_unknown_and_what_is_not_granted_is_not_done() {
    let site = site(20, "");
    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    // Without its form, certbot is refused: nothing is renewed, and that is not ok.
    site.host.configure(&text.replace("[\"renew\", \"--dry-run\", ", "[\"certificates\", "));
    let refused = site.run("run");
    assert_eq!(
        (refused.code, refused.findings("task")),
        (3, vec!["unknown dry-run-failed shop.example".to_owned()]),
        "{refused:?}"
    );
    assert_eq!((site.calls().len(), site.generations()), (0, 1));
    // Nothing answers where the certificate should be served.
    site.host.configure(
        &text.replace(&format!("tcp://127.0.0.1:{}", site.port()), &format!("tcp://127.0.0.1:{}", free_port())),
    );
    let silent = site.run("run");
    assert!(silent.findings("task").contains(&"unknown endpoint-not-reached shop".to_owned()), "{silent:?}");
    assert_eq!(silent.code, 3, "renewed, and nobody looked whether it is served: {silent:?}");
    site.host.configure(&text.replace("endpoints = [\"endpoint.shop\"], ", ""));
    let archive = site.host.path().join("letsencrypt/archive/shop.example");
    let unseen = site.run("plan");
    assert!(unseen.code == 0, "nothing is due, and nothing else is asked for: {unseen:?}");
    fs::remove_dir_all(archive).expect("it goes");
    let empty = site.run("plan");
    assert_eq!(
        (empty.code, empty.findings("task")),
        (3, vec!["unknown no-certificates certificates".to_owned()]),
        "{empty:?}"
    );
}

#[test]
fn lego_renews_and_one_that_does_not_is_critical_too() {
    let site = site(20, "client = \"lego\"");
    let before = site.served(site.port());
    site.behaves("not-due");
    let quiet = site.run("run");
    assert_eq!(quiet.findings("task"), ["critical not-renewed shop.example"], "{quiet:?}");
    site.behaves("renews");
    site.calls();
    let run = site.run("run");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(site.calls(), ["--domains=shop.example renew --days=22", "nginx -t", "nginx -s reload"]);
    assert_ne!(site.served(site.port()), before);
}
