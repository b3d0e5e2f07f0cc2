//! A folder with a mounted `ConfigMap`, read consistently.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::{self, FilesError};
use super::{ModelMap, RegionModels};
use crate::publication::content::{
    INVOCATION_JSON, MAPPING_JSON, MAPPING_JSON_GZ, METADATA_JSON, MODELS_JSON,
};

/// The link that a kubelet replaces when the `ConfigMap` has changed.
const CURRENT: &str = "..data";
/// The files of a published `ConfigMap` that are read.
const NAMES: [&str; 5] = [
    METADATA_JSON,
    MODELS_JSON,
    INVOCATION_JSON,
    MAPPING_JSON,
    MAPPING_JSON_GZ,
];
/// How often a folder is read that changes during each reading.
const ATTEMPTS: usize = 16;
/// The largest file read: a `ConfigMap` has at most 1 MiB, and `discover` writes no larger file.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// The most folders read in a folder: a region has one.
const MAX_FOLDERS: usize = 256;

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The folder or a file in it cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The folder is empty.
    #[error("{}: the folder is empty; is the ConfigMap mounted there?", .0.display())]
    Empty(PathBuf),
    /// The folder has no file of a model map.
    #[error(
        "{}: no model map in this folder or a folder in it: a region has the files {MODELS_JSON} and {METADATA_JSON}, the merged mapping {MAPPING_JSON} and {METADATA_JSON}",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// The files are not a model map.
    #[error("{}: the model map cannot be read", path.display())]
    Files {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: FilesError,
    },
    /// Two folders have the same region.
    #[error("{}: two folders in it have the region {region}", path.display())]
    DuplicateRegion {
        /// The folder.
        path: PathBuf,
        /// The region.
        region: String,
    },
    /// The folder has more folders than there are regions.
    #[error("{}: it has more than {MAX_FOLDERS} folders", .0.display())]
    TooManyFolders(PathBuf),
}

/// The model map in a folder, and the folder's stamp before the reading. All files of a `ConfigMap`
/// are of one version, even if a kubelet replaces them meanwhile.
pub(super) fn read(folder: &Path) -> (Stamp, Result<ModelMap, MountError>) {
    let mut stamp = Stamp::new(folder);
    for _ in 1..ATTEMPTS {
        let read = read_once(folder);
        let after = Stamp::new(folder);
        if after == stamp || (read.is_ok() && stamp.is_of_links()) {
            return (stamp, read);
        }
        stamp = after;
    }
    (stamp, read_once(folder))
}

/// A folder's fingerprint: a write to the folder changes it. None: the folder cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<Vec<Seen>>);

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// A kubelet's folder, which never changes.
    Link(PathBuf),
    /// The time and size of each file.
    Files([Option<(SystemTime, u64)>; NAMES.len()]),
}

impl Stamp {
    pub(super) fn new(folder: &Path) -> Self {
        let seen = map_folders(folder).ok().map(|(top, folders)| {
            std::iter::once(&top)
                .chain(&folders)
                .map(MapFolder::seen)
                .collect()
        });
        Self(seen)
    }

    /// Whether no file ever changes in place, so that one reading has files of one version.
    fn is_of_links(&self) -> bool {
        self.0.iter().flatten().all(|seen| match seen {
            Seen::Link(_) => true,
            Seen::Files(files) => files.iter().all(Option::is_none),
        })
    }
}

/// A folder that may hold the files of a `ConfigMap`.
struct MapFolder {
    /// The path for messages.
    folder: PathBuf,
    /// The path of the current files: all are read from there, so that they are of one version.
    current: PathBuf,
    is_linked: bool,
}

impl MapFolder {
    fn new(folder: PathBuf) -> Result<Self, MountError> {
        match fs::read_link(folder.join(CURRENT)) {
            Ok(target) => Ok(Self {
                current: folder.join(target),
                folder,
                is_linked: true,
            }),
            // No such link: the files are in the folder itself.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                Ok(Self {
                    current: folder.clone(),
                    folder,
                    is_linked: false,
                })
            }
            Err(error) => Err(io_error(&folder, error)),
        }
    }

    fn seen(&self) -> Seen {
        if self.is_linked {
            return Seen::Link(self.current.clone());
        }
        Seen::Files(NAMES.map(|name| {
            let metadata = fs::metadata(self.current.join(name)).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        }))
    }
}

/// The folder, and the folders in it.
fn map_folders(folder: &Path) -> Result<(MapFolder, Vec<MapFolder>), MountError> {
    let top = MapFolder::new(folder.to_owned())?;
    let entries = fs::read_dir(&top.current).map_err(|source| io_error(&top.current, source))?;
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| io_error(folder, source))?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let path = entry.path();
        if is_hidden || !path.is_dir() {
            continue;
        }
        if folders.len() == MAX_FOLDERS {
            return Err(MountError::TooManyFolders(folder.to_owned()));
        }
        let mut map_folder = MapFolder::new(path)?;
        map_folder.is_linked |= top.is_linked;
        folders.push(map_folder);
    }
    // The listing's order may change without a change in the folder.
    folders.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok((top, folders))
}

/// The model map of the folder itself, or those of the folders in it.
fn read_once(folder: &Path) -> Result<ModelMap, MountError> {
    let (top, folders) = map_folders(folder)?;
    if let Some(map) = read_map_folder(&top)? {
        return Ok(map);
    }
    let mut map = ModelMap::default();
    for map_folder in folders {
        for (region, read) in read_map_folder(&map_folder)?.unwrap_or_default().regions {
            add(&mut map, folder, region, read)?;
        }
    }
    if !map.regions.is_empty() {
        return Ok(map);
    }
    let entries = fs::read_dir(&top.current);
    let mut entries = entries.map_err(|source| io_error(&top.current, source))?;
    Err(if entries.next().is_none() {
        MountError::Empty(folder.to_owned())
    } else {
        MountError::NotOurs(folder.to_owned())
    })
}

fn add(
    map: &mut ModelMap,
    folder: &Path,
    region: String,
    read: RegionModels,
) -> Result<(), MountError> {
    if map.regions.contains_key(&region) {
        return Err(MountError::DuplicateRegion {
            path: folder.to_owned(),
            region,
        });
    }
    map.regions.insert(region, read);
    Ok(())
}

/// The model map of one `ConfigMap`. None: the folder has none of its files.
fn read_map_folder(map_folder: &MapFolder) -> Result<Option<ModelMap>, MountError> {
    // All are opened first: an open file stays readable after the kubelet has removed it.
    let mut open = Vec::new();
    for name in NAMES {
        let path = map_folder.current.join(name);
        let file =
            open_file(&path).map_err(|error| io_error(&map_folder.folder.join(name), error))?;
        open.extend(file.map(|file| (name, file)));
    }
    if open.is_empty() {
        return Ok(None);
    }
    let (mut data, mut binary_data) = (BTreeMap::new(), BTreeMap::new());
    for (name, file) in open {
        let failed = |error| io_error(&map_folder.folder.join(name), error);
        let bytes = read_file(file).map_err(failed)?;
        if name == MAPPING_JSON_GZ {
            binary_data.insert(name.to_owned(), bytes);
        } else {
            let text = String::from_utf8(bytes);
            let text = text.map_err(|e| failed(io::Error::new(io::ErrorKind::InvalidData, e)))?;
            data.insert(name.to_owned(), text);
        }
    }
    let read = files::read(&data, &binary_data);
    read.map(Some).map_err(|source| MountError::Files {
        path: map_folder.folder.clone(),
        source,
    })
}

fn open_file(path: &Path) -> io::Result<Option<File>> {
    let open = || {
        // A pipe would block, a device would never end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        File::open(path)
    };
    match open() {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_file(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("more than {MAX_FILE_BYTES} bytes");
        return Err(io::Error::other(message));
    }
    Ok(bytes)
}

fn io_error(path: &Path, source: io::Error) -> MountError {
    MountError::Io {
        path: path.to_owned(),
        source,
    }
}
