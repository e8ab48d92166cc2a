//! Directories, and the files that a resource names: looked at before a server is asked, which would only repeat it.

use std::{io::ErrorKind, path::Path};

use hostler_configuration::{EndpointResource, FileError, RedisResource, check_alone, check_readable};

use super::{Examined, bad, good};

/// What is wrong with the files of a Redis server.
pub(super) fn of_redis(name: &str, resource: &RedisResource) -> Vec<Examined> {
    let files = [("password_file", &resource.password_file), ("root_certificates", &resource.root_certificates)];
    let named = files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)));
    named.filter_map(|(key, file)| check_readable(key, file).err()).map(|error| wrong(name, &error)).collect()
}

/// What is wrong with the files of an endpoint.
pub(super) fn of_endpoint(name: &str, resource: &EndpointResource) -> Vec<Examined> {
    let header = resource
        .header_file
        .iter()
        .map(|file| check_readable("header_file", file).and_then(|()| check_alone("header_file", file)));
    let roots = resource.root_certificates.iter().map(|file| check_readable("root_certificates", file));
    header.chain(roots).filter_map(Result::err).map(|error| wrong(name, &error)).collect()
}

fn wrong(name: &str, error: &FileError) -> Examined {
    bad(name.into(), error.finding(), Some(error.remedy()))
}

/// Whether a directory is there, and may be read, and written where a task writes it.
pub(super) fn directory(name: &str, path: &Path, writes: bool) -> Examined {
    let shown = path.display();
    if let Err(error) = std::fs::read_dir(path) {
        let remedy = match error.kind() {
            ErrorKind::NotFound => format!("mkdir -p {shown}, or correct {name}.path"),
            ErrorKind::NotADirectory => format!("correct {name}.path"),
            _ => format!("give the host's user the right to read {shown}: ls -ld {shown}"),
        };
        return bad(name.into(), format!("{shown} cannot be read: {error}"), Some(remedy));
    }
    // A file without a name shows whether it may be written, and leaves nothing behind.
    match writes.then(|| tempfile::tempfile_in(path)) {
        Some(Err(error)) => {
            let remedy = format!("give the host's user the right to write {shown}: ls -ld {shown}");
            bad(name.into(), format!("{shown} cannot be written, and a task writes it: {error}"), Some(remedy))
        }
        Some(Ok(_)) => good(name.into(), format!("{shown} can be read, and written, as a task does")),
        None => good(name.into(), format!("{shown} can be read")),
    }
}

#[cfg(test)]
mod tests {
    use hostler_capability::Severity;

    use super::*;

    #[test]
    fn a_directory_that_a_task_writes_has_to_be_writable() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(super::directory("directory.a", directory.path(), true).severity, Severity::Ok);
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 0, "nothing is left in it");
        let absent = super::directory("directory.a", &directory.path().join("absent"), false);
        assert!(absent.severity == Severity::Critical && absent.remedy.is_some_and(|remedy| remedy.contains("mkdir")));
        // procfs is not writable, not even by root.
        let refused = super::directory("directory.a", Path::new("/proc/self"), true);
        assert!(refused.finding.contains("a task writes it"), "{refused:?}");
    }

    #[test]
    fn each_file_is_told_with_its_key_its_path_and_what_to_do() {
        let file = Some("/nowhere/x".into());
        let redis =
            RedisResource { password_file: file.clone(), root_certificates: file.clone(), ..Default::default() };
        let endpoint = EndpointResource { header_file: file.clone(), root_certificates: file, ..Default::default() };
        let found: Vec<Examined> =
            [of_redis("redis.a", &redis), of_endpoint("endpoint.a", &endpoint)].into_iter().flatten().collect();
        for (found, key) in found.iter().zip(["password_file", "root_certificates", "header_file", "root_certificates"])
        {
            assert_eq!(found.finding, format!("its {key} /nowhere/x does not exist"));
            assert_eq!(found.remedy, Some(format!("create /nowhere/x, or correct {key}")));
        }
        assert_eq!(found.len(), 4);
    }
}
