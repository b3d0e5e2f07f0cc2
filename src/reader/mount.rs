//! A folder into which a `ConfigMap` is mounted, read at one moment.

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

/// The link that a kubelet turns over when the `ConfigMap` has changed.
const CURRENT: &str = "..data";
/// The files that are read.
const NAMES: [&str; 5] = [
    METADATA_JSON,
    MODELS_JSON,
    INVOCATION_JSON,
    MAPPING_JSON,
    MAPPING_JSON_GZ,
];
/// How often a folder that changed while it was read is read anew.
const ATTEMPTS: usize = 16;
/// The largest file that is read: a `ConfigMap` has at most 1 MiB, and what `discover` writes is no
/// larger.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// How many folders in the folder are read: one a region.
const MAX_FOLDERS: usize = 256;

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The folder or a file in it.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The cause, which the message contains.
        cause: io::Error,
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
    #[error("{}: {cause}", path.display())]
    ConfigMapFiles {
        /// The folder.
        path: PathBuf,
        /// The cause, which the message contains.
        cause: FilesError,
    },
    /// Two folders claim the same region.
    #[error("{}: two folders in it are of the region {region}", path.display())]
    Twice {
        /// The folder.
        path: PathBuf,
        /// The region.
        region: String,
    },
    /// It is something else: a mapping has one folder a region.
    #[error("{}: more than {MAX_FOLDERS} folders are in it", .0.display())]
    TooManyFolders(PathBuf),
}

/// What a folder holds, and what it looked like before that was read. All files of a `ConfigMap`
/// are of one writing, also if a kubelet changes them meanwhile.
pub(super) fn read(folder: &Path) -> (Stamp, Result<ModelMap, MountError>) {
    let mut to_k8s_time = Stamp::of(folder);
    for _ in 1..ATTEMPTS {
        let read = read_once(folder);
        let after = Stamp::of(folder);
        if after == to_k8s_time || (read.is_ok() && to_k8s_time.is_of_links()) {
            return (to_k8s_time, read);
        }
        to_k8s_time = after;
    }
    (to_k8s_time, read_once(folder))
}

/// What a folder looks like: another, once something in it was written. None: nothing can be seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<Vec<Seen>>);

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// A kubelet's folder, and never changed again.
    Link(PathBuf),
    /// Each file's time and size.
    ConfigMapFiles([Option<(SystemTime, u64)>; NAMES.len()]),
}

impl Stamp {
    pub(super) fn of(folder: &Path) -> Self {
        let places = places(folder).ok();
        Self(places.map(|(top, folders)| {
            let all = std::iter::once(&top).chain(&folders);
            all.map(Place::seen).collect()
        }))
    }

    /// Whether what could be read is of one writing because no file of it is ever changed in place.
    fn is_of_links(&self) -> bool {
        self.0.iter().flatten().all(|seen| match seen {
            Seen::Link(_) => true,
            Seen::ConfigMapFiles(files) => files.iter().all(Option::is_none),
        })
    }
}

/// A folder that may hold the files of a `ConfigMap`.
struct Place {
    /// As people know it.
    folder: PathBuf,
    /// Where its files are now: all are read from there, so that none of them is of another
    /// writing.
    current: PathBuf,
    /// Whether the two differ.
    is_linked: bool,
}

impl Place {
    fn of(folder: PathBuf) -> Result<Self, MountError> {
        match fs::read_link(folder.join(CURRENT)) {
            Ok(target) => Ok(Self {
                current: folder.join(target),
                folder,
                is_linked: true,
            }),
            // No such link: the files themselves are in the folder.
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
        Seen::ConfigMapFiles(NAMES.map(|name| {
            let metadata = fs::metadata(self.current.join(name)).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        }))
    }
}

/// The folder, and the folders in it.
fn places(folder: &Path) -> Result<(Place, Vec<Place>), MountError> {
    let top = Place::of(folder.to_owned())?;
    let entries = fs::read_dir(&top.current).map_err(|cause| io_error(&top.current, cause))?;
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|cause| io_error(folder, cause))?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let path = entry.path();
        if is_hidden || !path.is_dir() {
            continue;
        }
        if folders.len() == MAX_FOLDERS {
            return Err(MountError::TooManyFolders(folder.to_owned()));
        }
        let mut place = Place::of(path)?;
        place.is_linked |= top.is_linked;
        folders.push(place);
    }
    // The order in which a folder is listed may change without a change in it.
    folders.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok((top, folders))
}

/// The files of the folder itself, or those of the folders in it.
fn read_once(folder: &Path) -> Result<ModelMap, MountError> {
    let (top, folders) = places(folder)?;
    if let Some(published) = read_place(&top)? {
        return Ok(published);
    }
    let mut published = ModelMap::default();
    for place in folders {
        for (region, read) in read_place(&place)?.unwrap_or_default().regions {
            add(&mut published, folder, region, read)?;
        }
    }
    if !published.regions.is_empty() {
        return Ok(published);
    }
    let entries = fs::read_dir(&top.current);
    let mut entries = entries.map_err(|cause| io_error(&top.current, cause))?;
    Err(if entries.next().is_none() {
        MountError::Empty(folder.to_owned())
    } else {
        MountError::NotOurs(folder.to_owned())
    })
}

fn add(
    published: &mut ModelMap,
    folder: &Path,
    region: String,
    read: RegionModels,
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
fn read_place(place: &Place) -> Result<Option<ModelMap>, MountError> {
    // First all are opened: what is open can still be read when the kubelet has removed it.
    let mut open = Vec::new();
    for name in NAMES {
        let path = place.current.join(name);
        let file = open_file(&path).map_err(|error| io_error(&place.folder.join(name), error))?;
        open.extend(file.map(|file| (name, file)));
    }
    if open.is_empty() {
        return Ok(None);
    }
    let (mut data, mut binary_data) = (BTreeMap::new(), BTreeMap::new());
    for (name, file) in open {
        let failed = |error| io_error(&place.folder.join(name), error);
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
    read.map(Some).map_err(|cause| MountError::ConfigMapFiles {
        path: place.folder.clone(),
        cause,
    })
}

fn open_file(path: &Path) -> io::Result<Option<File>> {
    let open = || {
        // A pipe would be waited for, a device never end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
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
        let message = format!("it has more than {MAX_FILE_BYTES} bytes");
        return Err(io::Error::other(message));
    }
    Ok(bytes)
}

fn io_error(path: &Path, cause: io::Error) -> MountError {
    MountError::Io {
        path: path.to_owned(),
        cause,
    }
}
