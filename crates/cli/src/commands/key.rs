//! `key`: passphrases, key files and recovery sheets.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use lifeboat::report::escape;
use lifeboat_format::id::SlotId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keyslot::KeyFile;
use lifeboat_format::time::Time;
use lifeboat_repo::open::Repository;
use lifeboat_repo::slots::{self, FoundSlot, KdfCost, NewSlot, SlotSecret};
use serde::Serialize;
use zeroize::Zeroizing;

use super::open::{self, KEY_FILE_HEADING, passphrase_slot, random_key, write_key_file};
use crate::args::{KeyArgs, KeyCommand, NewKeyArgs};
use crate::exit::{End, Usage};
use crate::render::{Output, Table, time_text};
use crate::settings::{Passphrase, PasswordSource, Settings, ask_twice, has_terminal};

#[derive(Serialize)]
struct Changed {
    message_type: &'static str,
    slot: SlotId,
    file: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    message_type: &'static str,
    slots: Vec<SlotView>,
}

#[derive(Default, Serialize)]
struct SlotView {
    slot: String,
    kind: Option<String>,
    label: Option<String>,
    created: Option<Time>,
    usable: bool,
    current: bool,
    error: Option<String>,
}

pub(super) fn run(args: KeyArgs, settings: &Settings, output: &Output) -> Result<End> {
    let repository = open::open(settings, output)?;
    match args.command {
        KeyCommand::List => list(&repository, output)?,
        KeyCommand::Add { new, label } => add(&repository, &new, label, settings, output)?,
        KeyCommand::Remove { slot } => remove(&repository, &slot, output)?,
        KeyCommand::Passwd { new_password_file } => {
            let passphrase = new_passphrase(new_password_file, settings)?;
            passwd(&repository, &passphrase, output)?;
        }
        KeyCommand::Export { file } => export(&repository, &file, output)?,
    }
    Ok(End::Done)
}

fn list(repository: &Repository, output: &Output) -> Result<()> {
    let found = slots::list(repository)?;
    let views: Vec<SlotView> = found.iter().map(|found| view(repository, found)).collect();
    if output.json {
        return output.document(&Listed { message_type: "key_slots", slots: views });
    }
    let mut table = Table::new(["", "ID", "Kind", "Created", "Label"]);
    for view in views {
        let text = |text: &Option<String>| escape(text.as_deref().unwrap_or("-").as_bytes());
        let last = match &view.error {
            Some(error) => error.clone(),
            None if view.usable => text(&view.label),
            None => format!("{} (not usable here)", text(&view.label)),
        };
        table.row(vec![
            if view.current { "*" } else { "" }.to_owned(),
            format!("{:.8}", view.slot),
            text(&view.kind),
            view.created.map_or_else(|| "-".to_owned(), time_text),
            last,
        ]);
    }
    output.lines(table.lines())
}

fn view(repository: &Repository, found: &FoundSlot) -> SlotView {
    let id = match found.key {
        ObjectKey::Slot(id) => id.to_string(),
        other => other.to_string(),
    };
    match &found.slot {
        Ok(slot) => SlotView {
            slot: id,
            kind: Some(slot.kind.name().to_owned()),
            label: Some(slot.label.clone()),
            created: Some(slot.created),
            usable: slot.is_usable() && slot.repository == repository.id(),
            current: slot.slot == repository.opened_by().slot,
            error: None,
        },
        Err(error) => SlotView { slot: id, error: Some(error.to_string()), ..SlotView::default() },
    }
}

fn add(
    repository: &Repository,
    new: &NewKeyArgs,
    label: String,
    settings: &Settings,
    output: &Output,
) -> Result<()> {
    let Some(path) = &new.new_key_file else {
        let passphrase = new_passphrase(new.new_password_file.clone(), settings)?;
        let slot = slots::add(repository, &passphrase_slot(&passphrase, &label))?;
        return changed("key_added", slot, None, format!("added slot {slot:.8}"), output);
    };
    repository.require_writable()?;
    // The file first: a slot whose key is lost is only untidy, a key on its way could get lost.
    let key = random_key(repository.entropy())?;
    let file = KeyFile { repository: repository.id(), key: key.clone(), config: None, slot: None };
    write_key_file(path, &file.to_text(KEY_FILE_HEADING))?;
    let slot = slots::add(repository, &NewSlot { label, secret: SlotSecret::KeyFile(key) })?;
    let text = format!("added slot {slot:.8}; its key is in {}", path.display());
    changed("key_added", slot, Some(path), text, output)
}

fn remove(repository: &Repository, slot: &str, output: &Output) -> Result<()> {
    let slot = slots::resolve(repository, slot)?;
    slots::remove(repository, slot)?;
    output.notice(
        "notice: whoever opened the repository with it may have kept the keys that it gave",
    );
    changed("key_removed", slot, None, format!("removed slot {slot:.8}"), output)
}

fn passwd(repository: &Repository, passphrase: &Passphrase, output: &Output) -> Result<()> {
    let text = Zeroizing::new(passphrase.expose().to_owned());
    let slot = slots::passwd(repository, text, KdfCost::default())?;
    changed("key_changed", slot, None, format!("changed: it is slot {slot:.8} now"), output)
}

fn export(repository: &Repository, file: &Path, output: &Output) -> Result<()> {
    if fs::symlink_metadata(file).is_ok() {
        bail!("{} is there already, and is never replaced", file.display());
    }
    let sheet = slots::export(repository, "recovery sheet")?;
    let slot = sheet.slot;
    if let Err(error) = write_key_file(file, &sheet.text) {
        // Its key is lost with it.
        if let Err(also) = slots::remove(repository, slot) {
            output.notice(format!("warning: slot {slot} opens nothing, and stays: {also}"));
        }
        return Err(error);
    }
    let text = format!(
        "wrote {} (slot {slot:.8}): whoever has it can read every backup, so print it or keep it \
         elsewhere",
        file.display()
    );
    changed("key_exported", slot, Some(file), text, output)
}

fn changed(
    message_type: &'static str,
    slot: SlotId,
    file: Option<&Path>,
    text: String,
    output: &Output,
) -> Result<()> {
    let file = file.map(|file| file.display().to_string());
    if output.json {
        return output.document(&Changed { message_type, slot, file });
    }
    output.line(text)
}

fn new_passphrase(file: Option<PathBuf>, settings: &Settings) -> Result<Passphrase> {
    if let Some(file) = file {
        return PasswordSource::File(file).read();
    }
    if let Some(passphrase) = &settings.new_password {
        return Ok(passphrase.clone());
    }
    if !has_terminal() {
        let text = "no new passphrase: set LIFEBOAT_NEW_PASSWORD, or give --new-password-file (or, to \
                    add a key file, --new-key-file)";
        return Err(Usage(text.to_owned()).into());
    }
    ask_twice()
}
