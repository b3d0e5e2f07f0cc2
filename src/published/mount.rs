//! A folder into which a `ConfigMap` is mounted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::files::{self, UnreadableFiles};
use super::{Published, PublishedRegion};
use crate::core::content::{MAPPING_JSON, MAPPING_JSON_GZ, METADATA_JSON, MODELS_JSON};

/// The link that a kubelet turns over when the `ConfigMap` has changed.
const CURRENT: &str = "..data";
/// How often a folder that changed while it was read is read anew.
const ATTEMPTS: usize = 5;
/// The largest file that is read: a `ConfigMap` has at most 1 MiB, and what `discover` writes is no
/// larger.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The folder or a file in it.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{}: the folder is empty; is the ConfigMap mounted there?", .0.display())]
    Empty(PathBuf),
    /// There is nothing of ours in it.
    #[error(
        "{}: neither a region's files ({MODELS_JSON}, {METADATA_JSON}) nor the merged mapping ({MAPPING_JSON}, {METADATA_JSON}) is in this folder or a folder in it",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// The files are not what they should be.
    #[error("{}: {source}", path.display())]
    Files {
        /// The folder.
        path: PathBuf,
        /// What is wrong with them.
        source: UnreadableFiles,
    },
    /// Two folders claim the same region.
    #[error("{}: two folders in it are of the region {region}", path.display())]
    Twice {
        /// The folder.
        path: PathBuf,
        /// The region.
        region: String,
    },
}

/// Reads a folder that holds the files of a region's `ConfigMap` or of the merged one, or folders
/// with the files of one region each. All files of one `ConfigMap` are of the same writing, also
/// if a kubelet changes them meanwhile.
pub fn read_mount(folder: &Path) -> Result<Published, MountError> {
    if let Some(published) = read_folder(folder)? {
        return Ok(published);
    }
    let entries = fs::read_dir(folder).map_err(|source| io_error(folder, source))?;
    let mut published = Published::default();
    let mut is_empty = true;
    for entry in entries {
        is_empty = false;
        let path = entry.map_err(|source| io_error(folder, source))?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if is_hidden || !path.is_dir() {
            continue;
        }
        for (region, read) in read_folder(&path)?.unwrap_or_default().regions {
            add(&mut published, folder, region, read)?;
        }
    }
    if is_empty {
        return Err(MountError::Empty(folder.to_owned()));
    }
    if published.regions.is_empty() {
        return Err(MountError::NotOurs(folder.to_owned()));
    }
    Ok(published)
}

fn add(
    published: &mut Published,
    folder: &Path,
    region: String,
    read: PublishedRegion,
) -> Result<(), MountError> {
    if published.regions.contains_key(&region) {
        return Err(MountError::Twice {
            path: folder.to_owned(),
            region,
        });
    }
    published.regions.insert(region, read);
    Ok(())
}

/// The files of one `ConfigMap`. None: there is no such file.
fn read_folder(folder: &Path) -> Result<Option<Published>, MountError> {
    for _ in 1..ATTEMPTS {
        let before = current(folder);
        let read = read_files(folder, &before);
        if read.is_ok() || before == current(folder) {
            return read;
        }
        // The kubelet removed what was being read.
    }
    read_files(folder, &current(folder))
}

/// The folder in which the files are now: they are all read from there, so that none of them is of
/// another writing.
fn current(folder: &Path) -> PathBuf {
    fs::canonicalize(folder.join(CURRENT)).unwrap_or_else(|_| folder.to_owned())
}

fn read_files(folder: &Path, current: &Path) -> Result<Option<Published>, MountError> {
    let (mut data, mut binary_data) = (BTreeMap::new(), BTreeMap::new());
    for name in [METADATA_JSON, MODELS_JSON, MAPPING_JSON, MAPPING_JSON_GZ] {
        let Some(bytes) = read_file(&current.join(name))? else {
            continue;
        };
        if name == MAPPING_JSON_GZ {
            binary_data.insert(name.to_owned(), bytes);
        } else {
            let text = String::from_utf8(bytes).map_err(|error| {
                let error = io::Error::new(io::ErrorKind::InvalidData, error);
                io_error(&folder.join(name), error)
            })?;
            data.insert(name.to_owned(), text);
        }
    }
    if data.is_empty() && binary_data.is_empty() {
        return Ok(None);
    }
    let read = files::read(&data, &binary_data);
    read.map(Some).map_err(|source| MountError::Files {
        path: folder.to_owned(),
        source,
    })
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, MountError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = File::open(path)?.take(MAX_FILE_BYTES + 1);
        file.read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::other(format!(
                "it has more than {MAX_FILE_BYTES} bytes"
            )));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(path, error)),
    }
}

fn io_error(path: &Path, source: io::Error) -> MountError {
    MountError::Io {
        path: path.to_owned(),
        source,
    }
}
