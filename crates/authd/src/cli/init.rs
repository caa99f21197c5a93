//! `authd init`: a settings file and a key-encryption key to start from.

use std::path::PathBuf;

use clap::Args;

use super::{Failed, output};
use crate::files::create_private;
use crate::moment::SystemMoments;
use crate::sealing::{KeySource, write_sealing_key};
use crate::settings::{Settings, TEMPLATE};

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The settings file to write; one that exists is left alone
    #[arg(long, value_name = "FILE", default_value = "authd.toml")]
    config: PathBuf,
}

pub(crate) fn run(init: &Init) -> Result<(), Failed> {
    if init.config.exists() {
        return Err(Failed::Failed(format!("{} exists: it is left as it is", init.config.display())));
    }
    let settings = Settings::parse(TEMPLATE)?;
    let KeySource::File(key_file) = settings.key_source()? else {
        return Err(Failed::Failed("the settings to start from name no key file".to_owned()));
    };
    let made_key = !key_file.exists();
    if made_key {
        write_sealing_key(&key_file, &SystemMoments)?;
    }
    if !create_private(&init.config, TEMPLATE.as_bytes())? {
        return Err(Failed::Failed(format!("{} was just made by another process", init.config.display())));
    }
    output::print(&format!("wrote {}", init.config.display()));
    if made_key {
        output::print(&format!(
            "wrote {}: keep a copy of it where the database's backups are not",
            key_file.display()
        ));
    }
    output::print(&format!(
        "next: authd tenants create NAME --origin https://HOST/ --config {0}\n      authd serve --config {0}",
        init.config.display()
    ));
    Ok(())
}
