//! Files in a folder that others may write to as well.

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

/// Replaces a file in one step: a concurrent reader sees the old or the new content. A symbolic link
/// in its place is replaced, not followed.
pub(super) fn replace_file(folder: &Path, name: &str, text: &str) -> io::Result<()> {
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
