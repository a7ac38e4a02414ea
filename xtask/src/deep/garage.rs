//! Garage: an S3 server that ignores `If-None-Match` silently, built from its crate.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    servers::folder,
    step::{cargo, command, output_of, run, succeeds},
};

/// The version that is known to work.
const VERSION: &str = "2.5.0";

/// The program's place: one of this version that is on the path, or else one of our own, which
/// takes half an hour to build the first time.
pub(super) fn install() -> Result<PathBuf> {
    let on_path = PathBuf::from("garage");
    let own = folder("garage").join("bin/garage");
    for program in [&on_path, &own] {
        if is_right(program)? {
            return Ok(program.clone());
        }
    }
    let flags = ["install", "garage", "--locked", "--force", "--version", VERSION, "--root"];
    run(cargo(flags).arg(folder("garage")))?;
    Ok(own)
}

fn is_right(program: &PathBuf) -> Result<bool> {
    if !succeeds(&mut command(program, ["--version"])) {
        return Ok(false);
    }
    Ok(output_of(&mut command(program, ["--version"]))?.contains(VERSION))
}
