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
    /// The folder changes faster than it can be read.
    #[error("{}: the files changed during each of {ATTEMPTS} readings; read them again", .0.display())]
    Changing(PathBuf),
}

/// The model map in a folder, and the folder's stamp before the reading. All files are of one version,
/// even if a kubelet replaces them meanwhile.
pub(super) fn read(folder: &Path) -> (Stamp, Result<ModelMap, MountError>) {
    let mut stamp = Stamp::new(folder);
    for _ in 0..ATTEMPTS {
        let loaded = load(folder);
        let is_of_one_version = loaded.as_ref().is_ok_and(Loaded::is_of_one_version);
        let read = loaded.and_then(|loaded| loaded.parse(folder));
        let after = Stamp::new(folder);
        if is_of_one_version || after == stamp {
            return (stamp, read);
        }
        stamp = after;
    }
    (stamp, Err(MountError::Changing(folder.to_owned())))
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
}

/// A folder that may hold the files of a `ConfigMap`.
struct MapFolder {
    /// The path for messages.
    folder: PathBuf,
    /// The path of the current files.
    current: PathBuf,
    link: Link,
}

/// The link to the current files, which never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// The files are in the folder itself.
    None,
    /// The folder has the link.
    Own,
    /// The folder above has it.
    Above,
}

impl MapFolder {
    fn new(folder: PathBuf) -> Result<Self, MountError> {
        match fs::read_link(folder.join(CURRENT)) {
            Ok(target) => Ok(Self {
                current: folder.join(target),
                folder,
                link: Link::Own,
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
                    link: Link::None,
                })
            }
            Err(error) => Err(io_error(&folder, error)),
        }
    }

    fn seen(&self) -> Seen {
        if self.link != Link::None {
            return Seen::Link(self.current.clone());
        }
        Seen::Files(NAMES.map(|name| {
            let metadata = fs::metadata(self.current.join(name)).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        }))
    }

    /// The bytes of all files. `None`: the folder has none of them.
    fn load(&self) -> Result<Option<Files>, MountError> {
        let mut files = Files::default();
        for name in NAMES {
            let failed = |error| io_error(&self.folder.join(name), error);
            let Some(file) = open_file(&self.current.join(name)).map_err(failed)? else {
                continue;
            };
            let bytes = read_file(file).map_err(failed)?;
            if name == MAPPING_JSON_GZ {
                files.binary_data.insert(name.to_owned(), bytes);
            } else {
                let text = String::from_utf8(bytes);
                let text =
                    text.map_err(|e| failed(io::Error::new(io::ErrorKind::InvalidData, e)))?;
                files.data.insert(name.to_owned(), text);
            }
        }
        let is_empty = files.data.is_empty() && files.binary_data.is_empty();
        Ok((!is_empty).then_some(files))
    }

    /// Whether the files loaded are all of one version: a kubelet removes files only after it has
    /// turned the link over.
    fn is_of_one_version(&self, files: Option<&Files>) -> bool {
        match self.link {
            Link::None => files.is_none(),
            Link::Own => fs::read_link(self.folder.join(CURRENT))
                .is_ok_and(|target| self.folder.join(target) == self.current),
            Link::Above => true,
        }
    }
}

/// The files of one `ConfigMap`.
#[derive(Default)]
struct Files {
    data: BTreeMap<String, String>,
    binary_data: BTreeMap<String, Vec<u8>>,
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
        if map_folder.link == Link::None && top.link == Link::Own {
            map_folder.link = Link::Above;
        }
        folders.push(map_folder);
    }
    // The listing's order may change without a change in the folder.
    folders.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok((top, folders))
}

/// What is in a folder: its own files, or those of the folders in it.
struct Loaded {
    folders: Vec<(MapFolder, Option<Files>)>,
    is_empty: bool,
}

fn load(folder: &Path) -> Result<Loaded, MountError> {
    let (top, below) = map_folders(folder)?;
    let entries = fs::read_dir(&top.current);
    let mut entries = entries.map_err(|source| io_error(&top.current, source))?;
    let is_empty = entries.next().is_none();
    let files = top.load()?;
    let below = if files.is_some() { Vec::new() } else { below };
    let mut folders = vec![(top, files)];
    for map_folder in below {
        let files = map_folder.load()?;
        folders.push((map_folder, files));
    }
    Ok(Loaded { folders, is_empty })
}

impl Loaded {
    fn is_of_one_version(&self) -> bool {
        let mut folders = self.folders.iter();
        folders.all(|(folder, files)| folder.is_of_one_version(files.as_ref()))
    }

    fn parse(self, folder: &Path) -> Result<ModelMap, MountError> {
        let mut map = None;
        for (map_folder, files) in self.folders {
            let Some(files) = files else { continue };
            let read = files::read(&files.data, &files.binary_data);
            let read = read.map_err(|source| MountError::Files {
                path: map_folder.folder,
                source,
            })?;
            let map = map.get_or_insert_with(ModelMap::default);
            for (region, read) in read.regions {
                add(map, folder, region, read)?;
            }
        }
        map.ok_or_else(|| {
            let folder = folder.to_owned();
            if self.is_empty {
                MountError::Empty(folder)
            } else {
                MountError::NotOurs(folder)
            }
        })
    }
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
