//! What outlives the process: one embedded database in the state directory, written before anything is told to anybody.

mod error;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use tidegate_config::limits::DECISIONS_MAX;
use tidegate_config::{Key, Name};

use crate::crash::{self, Crash, Crashed};
use crate::limits::STORE_CACHE_BYTES;
use crate::publish::Keys;
use crate::service_record::{Logged, ServiceRecord};

pub use error::StoreError;

/// The database's name in the state directory.
pub const FILE: &str = "state.redb";
/// What this version writes, and the newest it reads.
pub(crate) const SCHEMA: u64 = 1;

/// Service → its record in JSON.
const SERVICES: TableDefinition<&str, &str> = TableDefinition::new("services");
/// Service and number → a decision in JSON.
const DECISIONS: TableDefinition<(&str, u64), &str> = TableDefinition::new("decisions");
/// Numbers of the whole installation.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
/// Secrets of the whole installation.
const KEYS: TableDefinition<&str, [u8; 16]> = TableDefinition::new("keys");

/// The open database. Holds the lock of its file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// `None` after a failure: such a database must be opened again.
    database: Option<Database>,
}

/// All that is needed to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The last generation issued.
    pub generation: u64,
    /// The secrets.
    pub keys: Keys,
    /// The services.
    pub services: BTreeMap<Name, ServiceRecord>,
}

/// What one step of the controller changes, all of it or nothing.
#[derive(Debug)]
pub struct Change<'a> {
    /// The last generation issued.
    pub generation: u64,
    /// The records that changed.
    pub services: Vec<(&'a Name, &'a ServiceRecord)>,
    /// New decisions.
    pub decisions: &'a [(Name, Logged)],
}

impl Store {
    /// Opens the state of a directory, which is made (mode 0700) where it is missing.
    pub fn open(directory: &Path) -> Result<(Self, Stored), StoreError> {
        let mut random = [[0; 16]; 2];
        for key in &mut random {
            getrandom::fill(key).map_err(StoreError::Random)?;
        }
        let [cookie, master] = random.map(Key);
        Self::open_with(directory, Keys { cookie, master })
    }

    /// The same, with the secrets that a new state is to begin with. A state that exists keeps its own.
    ///
    /// For whoever must be able to draw the same visitors again; anybody who knows these keys can write cookies.
    pub fn open_with(directory: &Path, keys: Keys) -> Result<(Self, Stored), StoreError> {
        let failed = |source| StoreError::Open { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let path = directory.join(FILE);
        let database = open(&path)?;
        let store = Self { path, database: Some(database) };
        let stored = store.load(keys)?;
        Ok((store, stored))
    }

    /// Writes a change. When this returns, it is on disk.
    pub(crate) fn commit(&mut self, change: &Change<'_>, crash: crash::Plan) -> Result<(), StoreError> {
        if self.database.is_none() {
            self.database = Some(open(&self.path)?);
        }
        let written = self.write(change, crash);
        if matches!(written, Err(StoreError::Database { .. })) {
            self.database = None;
        }
        written
    }

    /// The decisions kept for a service, oldest first.
    pub fn decisions(&self, service: &Name) -> Result<Vec<Logged>, StoreError> {
        let read = || -> Result<Vec<(u64, String)>, redb::Error> {
            let Some(database) = &self.database else { return Ok(Vec::new()) };
            let table = database.begin_read()?.open_table(DECISIONS)?;
            let range = table.range((service.as_str(), 0)..=(service.as_str(), u64::MAX))?;
            range
                .map(|row| row.map(|(key, text)| (key.value().1, text.value().to_owned())).map_err(Into::into))
                .collect()
        };
        let rows = read().map_err(|error| self.failed(error))?;
        let parse = |(number, text): (u64, String)| {
            serde_json::from_str(&text)
                .map_err(|source| self.damaged(format!("decision {number} of {service}"), source))
        };
        rows.into_iter().map(parse).collect()
    }

    fn load(&self, new: Keys) -> Result<Stored, StoreError> {
        let found = self.initialise(new)?;
        if found > SCHEMA {
            return Err(StoreError::Newer { path: self.path.clone(), found });
        }
        let read = || -> Result<_, redb::Error> {
            let Some(database) = &self.database else { return Err(redb::Error::DatabaseClosed) };
            let transaction = database.begin_read()?;
            let generation = transaction.open_table(NUMBERS)?.get("generation")?.map_or(0, |row| row.value());
            let keys = transaction.open_table(KEYS)?;
            let key = |name| {
                keys.get(name)?.map(|row| Key(row.value())).ok_or(redb::Error::Corrupted(format!("no {name} key")))
            };
            let keys = Keys { cookie: key("cookie")?, master: key("master")? };
            let mut services = Vec::new();
            for row in transaction.open_table(SERVICES)?.iter()? {
                let (name, text) = row?;
                services.push((name.value().to_owned(), text.value().to_owned()));
            }
            Ok((generation, keys, services))
        };
        let (generation, keys, rows) = read().map_err(|error| self.failed(error))?;
        let parse = |(name, text): (String, String)| -> Result<_, StoreError> {
            let damaged = |source| self.damaged(format!("service {name}"), source);
            let key = serde_json::from_value(name.clone().into()).map_err(damaged)?;
            Ok((key, serde_json::from_str(&text).map_err(damaged)?))
        };
        let services = rows.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Stored { generation, keys, services })
    }

    /// Fills a new database, keys included. Returns the schema.
    fn initialise(&self, Keys { cookie, master }: Keys) -> Result<u64, StoreError> {
        let write = || -> Result<u64, redb::Error> {
            let Some(database) = &self.database else { return Err(redb::Error::DatabaseClosed) };
            let transaction = database.begin_write()?;
            {
                let mut numbers = transaction.open_table(NUMBERS)?;
                if let Some(schema) = numbers.get("schema")?.map(|row| row.value()) {
                    return Ok(schema);
                }
                numbers.insert("schema", SCHEMA)?;
                let mut keys = transaction.open_table(KEYS)?;
                keys.insert("cookie", cookie.0)?;
                keys.insert("master", master.0)?;
                transaction.open_table(SERVICES)?;
                transaction.open_table(DECISIONS)?;
            }
            transaction.commit()?;
            Ok(SCHEMA)
        };
        write().map_err(|error| self.failed(error))
    }

    fn write(&self, change: &Change<'_>, crash: crash::Plan) -> Result<(), StoreError> {
        let Change { generation, services, decisions } = change;
        let encode = |what: &Name, text: serde_json::Result<String>| {
            text.map_err(|source| StoreError::Encode { what: what.to_string(), source })
        };
        let mut records = Vec::new();
        for (name, record) in services {
            records.push((name.as_str(), encode(name, serde_json::to_string(record))?));
        }
        let mut lines = Vec::new();
        for (name, logged) in *decisions {
            lines.push((name.as_str(), logged.number, encode(name, serde_json::to_string(logged))?));
        }
        let put = || -> Result<Result<(), Crashed>, redb::Error> {
            let Some(database) = &self.database else { return Err(redb::Error::DatabaseClosed) };
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            transaction.open_table(NUMBERS)?.insert("generation", generation)?;
            for (name, text) in &records {
                transaction.open_table(SERVICES)?.insert(name, text.as_str())?;
            }
            if let Err(crashed) = crash.pass(Crash::WhilePersisting) {
                return Ok(Err(crashed));
            }
            for (name, number, text) in &lines {
                let mut table = transaction.open_table(DECISIONS)?;
                table.insert((*name, *number), text.as_str())?;
                let old = number.saturating_sub(DECISIONS_MAX as u64);
                table.retain_in((*name, 0)..=(*name, old), |_, _| false)?;
            }
            transaction.commit()?;
            Ok(Ok(()))
        };
        Ok(put().map_err(|error| self.failed(error))??)
    }

    fn failed(&self, source: redb::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source: Box::new(source) }
    }

    fn damaged(&self, what: String, source: serde_json::Error) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what, source }
    }
}

/// Opens or makes the file, for its owner alone: it holds the keys.
fn open(path: &Path) -> Result<Database, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let create = |file| Builder::new().set_cache_size(STORE_CACHE_BYTES).create_with_backend(FileBackend::new(file)?);
    create(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
        error => StoreError::Database { path: path.to_owned(), source: Box::new(error.into()) },
    })
}

#[cfg(test)]
mod tests;
