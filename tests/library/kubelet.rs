//! A folder, as a kubelet mounts a `ConfigMap` there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// Path below the folder, and content.
pub type ConfigMapFiles = Vec<(String, String)>;

/// The folder of a mount. Its files change as kubelet's atomic writer changes them: all are written
/// into a folder of their own, the link `..data` is turned over to it, the folder before removed.
pub struct Mount {
    folder: TempDir,
    writings: AtomicUsize,
}

impl Mount {
    pub fn of(files: &ConfigMapFiles) -> Self {
        let mount = Self {
            folder: tempfile::tempdir().unwrap(),
            writings: AtomicUsize::new(0),
        };
        mount.write(files);
        for (path, _) in files {
            let name = path.split('/').next().unwrap();
            let link = mount.path().join(name);
            if !link.is_symlink() {
                symlink(Path::new("..data").join(name), link).unwrap();
            }
        }
        mount
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Files of the same names take the place of those there.
    pub fn write(&self, files: &ConfigMapFiles) {
        let number = self.writings.fetch_add(1, Ordering::Relaxed);
        let name = format!("..2026_11_23_02_00_00.{number:09}");
        fs::create_dir(self.path().join(&name)).unwrap();
        for (path, content) in files {
            let path = self.path().join(&name).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let (new, data) = (self.path().join("..data_tmp"), self.path().join("..data"));
        let before = fs::read_link(&data);
        symlink(&name, &new).unwrap();
        fs::rename(&new, &data).unwrap();
        if let Ok(before) = before {
            fs::remove_dir_all(self.path().join(before)).unwrap();
        }
    }
}
