//! The images of the operator and of the simulator, from the programs that cargo has built beside this one.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use control_plane::image::{self, Config, Copy, FinalStage};
use control_plane::machine::Machine;

pub const OPERATOR: &str = "localhost/bedrock-model-map";
pub const TAG: &str = "e2e";

const SIMULATOR: &str = "localhost/bedrock-simulator";

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const DOCKERFILE: &str = include_str!("../../../Dockerfile");

/// Makes both images, and returns the archives.
pub fn write(machine: &Machine) -> io::Result<Vec<PathBuf>> {
    let operator = operator(&machine.file("operator"))?;
    let simulator = simulator(&machine.file("simulator"))?;
    let write = |(name, root, config): (&str, &str, &Config)| {
        let archive = machine.file(&format!("{root}.tar"));
        let name = format!("{name}:{TAG}");
        image::write(&name, &machine.file(root), config, &archive)?;
        Ok(archive)
    };
    let images = [
        (OPERATOR, "operator", &operator),
        (SIMULATOR, "simulator", &simulator),
    ];
    images.into_iter().map(write).collect()
}

/// As the Dockerfile says, but for the program: not the released one, which is linked statically.
fn operator(root: &Path) -> io::Result<Config> {
    let stage = FinalStage::read(DOCKERFILE)?;
    let program = program("bedrock-model-map")?;
    stage.assemble(root, |copy: &Copy| {
        match (copy.stage.as_deref(), copy.source.as_str()) {
            (Some(_), "/out/bedrock-model-map") => program.clone(),
            (Some(_), file) => file.into(),
            (None, file) => Path::new(ROOT).join(file),
        }
    })?;
    install_libraries(&program, root)?;
    Ok(stage.config())
}

fn simulator(root: &Path) -> io::Result<Config> {
    let program = program("bedrock-simulator")?;
    fs::create_dir_all(root)?;
    fs::copy(&program, root.join("bedrock-simulator"))?;
    install_libraries(&program, root)?;
    Ok(Config {
        entrypoint: vec!["/bedrock-simulator".to_owned()],
        ..Config::default()
    })
}

fn program(name: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(name))
}

/// Copies the libraries that a program is linked with.
fn install_libraries(program: &Path, root: &Path) -> io::Result<()> {
    let libraries = Command::new("ldd").arg(program).output()?;
    let libraries = String::from_utf8_lossy(&libraries.stdout).into_owned();
    for library in libraries.split_whitespace() {
        if let Some(inside) = library.strip_prefix('/') {
            let to = root.join(inside);
            fs::create_dir_all(to.parent().unwrap_or(root))?;
            fs::copy(library, to)?;
        }
    }
    Ok(())
}
