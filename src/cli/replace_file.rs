//! Files in a folder that others may write to as well.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Creates a folder. A symbolic link in its place is an error: it would lead the files elsewhere.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if fs::symlink_metadata(folder)?.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    Ok(())
}

/// Replaces files. The one named `last` is missing meanwhile, so that a reader who needs it takes no mix
/// of old and new files for one version. Returns the name of the file that failed with the error.
pub(super) fn replace_files(
    folder: &Path,
    files: &BTreeMap<String, String>,
    last: &str,
) -> Result<(), (String, io::Error)> {
    let failed = |name: &str| {
        let name = name.to_owned();
        |error| (name, error)
    };
    match fs::remove_file(folder.join(last)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(last)(error)),
        Ok(()) | Err(_) => {}
    }
    let others = files.iter().filter(|(name, _)| *name != last);
    for (name, text) in others.chain(files.get_key_value(last)) {
        replace_file(folder, name, text).map_err(failed(name))?;
    }
    Ok(())
}

/// Replaces a file in one step: a concurrent reader sees the old or the new content. A symbolic link
/// in its place is replaced, not followed.
fn replace_file(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4()));
    // Fails if anything has that name, also a link.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&unfinished)?;
    let written = write(file, text).and_then(|()| fs::rename(&unfinished, folder.join(name)));
    if written.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    written
}

fn write(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn last_file_is_missing_while_others_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        let files = |text: &str| {
            let names = ["invocation.json", "metadata.json", "models.json"];
            names.map(|name| (name.to_owned(), text.to_owned())).into()
        };
        replace_files(folder.path(), &files("1"), "metadata.json").unwrap();
        replace_files(folder.path(), &files("2"), "metadata.json").unwrap();
        assert_eq!(read("metadata.json").as_deref(), Some("2"));
        // It ends at the last of the others.
        fs::remove_file(folder.path().join("models.json")).unwrap();
        fs::create_dir_all(folder.path().join("models.json/full")).unwrap();
        let failed = replace_files(folder.path(), &files("3"), "metadata.json");
        assert_eq!(failed.unwrap_err().0, "models.json");
        assert_eq!(read("invocation.json").as_deref(), Some("3"));
        assert_eq!(read("metadata.json"), None);
    }

    #[test]
    fn link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "theirs").unwrap();
        let target = folder.path().join("region");
        create_folder(&target).unwrap();
        for link in ["models.json", ".models.json"] {
            symlink(&victim, target.join(link)).unwrap();
        }
        replace_file(&target, "models.json", "ours").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
        let written = target.join("models.json");
        assert_eq!(fs::read_to_string(&written).unwrap(), "ours");
        assert!(!fs::symlink_metadata(&written).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&target).unwrap().count(), 2);
    }

    #[test]
    fn folder_behind_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = folder.path().join("us-east-1");
        symlink(elsewhere.path(), &link).unwrap();
        let error = create_folder(&link).unwrap_err();
        assert_eq!(error.to_string(), "it is a symbolic link");
    }
}
