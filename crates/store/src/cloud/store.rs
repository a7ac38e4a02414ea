//! A bucket as a [`Store`].
//!
//! Turns keys into paths below the bucket's prefix and calls into single attempts. Must not repeat
//! anything; a page in the middle of a list is the one exception (`list`).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, PutPayload,
};

use super::call::Call;
use super::checksum::Checksum;
use super::client::Service;
use super::list::Lists;
use super::locks::S3Locks;
use super::policy::Policy;
use super::provider::Ready;
use super::traffic::RequestClass;
use super::{bulk, failure};
use crate::locking::Locking;
use crate::options::{Now, StoreOptions};
use crate::url::{Bucket, Provider};
use crate::{Error, ErrorKind, Listed, ObjectInfo, ObjectStream, Payload, Result, Store};
use crate::{KEY_BYTES_MAX, validate_key, validate_prefix};

/// How much memory is set aside on an answer's word for how long it is; longer ones grow.
const SET_ASIDE_BYTES_MAX: u64 = 128 << 20;

/// So many deletes of single objects run at once, where a service has no other.
const DELETES_AT_ONCE: usize = 16;

/// How often a copy that goes on in the background is asked after, and how many seconds apart.
const COPY_CHECKS: u32 = 60;
const COPY_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// One bucket.
pub(super) struct CloudStore {
    provider: Provider,
    place: String,
    /// What keys begin with in the bucket, with a slash at its end unless it is empty.
    prefix: String,
    objects: Arc<dyn ObjectStore>,
    /// Deletes one at a time.
    single: Arc<dyn ObjectStore>,
    lists: Lists,
    policy: Policy,
    checksum: Checksum,
    /// Whether signatures cover bodies, as they do without TLS.
    hashed: bool,
    /// Whether it is the provider's own service.
    own: bool,
    exclusive: bool,
    now: Now,
    locks: Option<Arc<S3Locks>>,
}

impl CloudStore {
    pub(super) fn new(
        bucket: &Bucket,
        options: &StoreOptions,
        policy: Policy,
        ready: Ready,
        service: &Service,
    ) -> Self {
        let prefix = match bucket.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let variable = options.credentials.variable("AWS_REQUEST_CHECKSUM_CALCULATION");
        let old = variable.is_some_and(|value| value.eq_ignore_ascii_case("when_required"));
        let hashed = bucket.provider == Provider::S3 && ready.aim.base.scheme_str() == Some("http");
        service.aim(ready.aim);
        Self {
            provider: bucket.provider,
            place: bucket.to_string(),
            lists: Lists::new(ready.pages, prefix.clone()),
            prefix,
            objects: ready.objects,
            single: ready.single,
            policy,
            checksum: Checksum::of(bucket.provider, old),
            hashed,
            own: ready.own,
            exclusive: options.exclusive,
            now: Arc::clone(&options.now),
            locks: None,
        }
    }

    pub(super) fn with_locks(self, locks: Option<Arc<S3Locks>>) -> Self {
        Self { locks, ..self }
    }

    fn path(&self, operation: &'static str, key: &str) -> Result<Path> {
        validate_key(operation, key)?;
        let whole = format!("{}{key}", self.prefix);
        if whole.len() > KEY_BYTES_MAX {
            return Err(Error::new(ErrorKind::Invalid, operation, key).with_detail(format!(
                "with the prefix {} the key has over {KEY_BYTES_MAX} bytes; take a shorter prefix",
                self.prefix
            )));
        }
        Path::parse(whole)
            .map_err(|error| Error::new(ErrorKind::Invalid, operation, key).with_source(error))
    }

    async fn put_once(&self, key: &str, data: &Payload, mode: PutMode) -> Result<()> {
        let path = self.path("put", key)?;
        let computed = self.checksum.compute(data, self.hashed).await;
        let mut call = Call::new(RequestClass::Put);
        call.headers = self.policy.of_put(key, (self.now)())?;
        call.headers.insert(computed.header.0, computed.header.1);
        call.body_sha256 = computed.sha256;
        let call = Arc::new(call);
        let payload: PutPayload = data.parts().iter().cloned().collect();
        let put = self.objects.put_opts(&path, payload, PutOptions::from(mode));
        match call.run(put).await {
            Ok(_) => Ok(()),
            // Done, whatever was missing of the answer.
            Err(_) if succeeded(&call) => Ok(()),
            Err(_) => Err(failure::error(RequestClass::Put, "put", key, call.seen())),
        }
    }

    /// Asks for an object or a part of it, and hands the answer to `use_answer` within the call.
    async fn ask<T, F>(
        &self,
        class: RequestClass,
        operation: &'static str,
        key: &str,
        range: Option<Range<u64>>,
        then: impl FnOnce(GetResult) -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>> + Send,
    {
        let path = self.path(operation, key)?;
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            head: class == RequestClass::Head,
            ..GetOptions::default()
        };
        let call = Arc::new(Call::new(class));
        let got = call.run(async { then(self.objects.get_opts(&path, options).await?).await });
        let got = got.await;
        got.map_err(|_error| failure::error(class, operation, key, call.seen()))
    }

    async fn head_for(&self, operation: &'static str, key: &str) -> Result<ObjectInfo> {
        let info = |found: GetResult| async move {
            let answer = Call::current().and_then(|call| call.seen().answer);
            let guard = answer.map(|answer| answer.guard).unwrap_or_default();
            let modified = found.meta.last_modified.into();
            Ok(ObjectInfo { size: found.meta.size, modified, guard })
        };
        self.ask(RequestClass::Head, operation, key, None, info).await
    }

    async fn delete_for(&self, operation: &'static str, key: &str) -> Result<()> {
        let path = self.path(operation, key)?;
        let call = Arc::new(Call::new(RequestClass::Delete));
        match call.run(self.single.delete(&path)).await {
            Ok(()) => Ok(()),
            // Azure's answer is that to a batch of one.
            Err(object_store::Error::NotFound { .. }) => {
                Err(Error::new(ErrorKind::NotFound, operation, key))
            }
            Err(error) if succeeded(&call) => Err(bulk::single(self.provider, key, &error)),
            Err(_) => Err(failure::error(RequestClass::Delete, operation, key, call.seen())),
        }
    }

    /// Copies within the service, never over what exists.
    async fn copy_there(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.path("copy", from)?, self.path("copy", to)?);
        let mut call = Call::new(RequestClass::Copy);
        call.headers = self.policy.of_copy(to, (self.now)())?;
        let call = Arc::new(call);
        let options = CopyOptions::default().with_mode(CopyMode::Create);
        let copied = call.run(self.objects.copy_opts(&source, &target, options)).await;
        if copied.is_err() && !succeeded(&call) {
            let error = failure::error(RequestClass::Copy, "copy", to, call.seen());
            return Err(match error.kind() {
                ErrorKind::NotFound => Error::new(ErrorKind::NotFound, "copy", from),
                _ => error,
            });
        }
        match call.seen().answer {
            Some(answer) if answer.copy_pending => self.await_copy(from, to).await,
            _ => Ok(()),
        }
    }

    /// Waits for a copy that the service has only begun: until the whole size is there.
    async fn await_copy(&self, from: &str, to: &str) -> Result<()> {
        let size = self.head_for("copy", from).await?.size;
        for _ in 0..COPY_CHECKS {
            tokio::time::sleep(COPY_PAUSE).await;
            if self.head_for("copy", to).await?.size == size {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "copy", to)
            .with_detail("the service has begun the copy and not finished it"))
    }

    async fn delete_each(&self, keys: &[String]) -> Vec<Error> {
        let deletes: Vec<_> =
            keys.iter().map(|key| self.delete_for("delete", key).boxed()).collect();
        let results: Vec<_> =
            stream::iter(deletes).buffer_unordered(DELETES_AT_ONCE).collect().await;
        let failed = results.into_iter().filter_map(Result::err);
        failed.filter(|error| error.kind() != ErrorKind::NotFound).collect()
    }
}

/// Whether the service said that it was done.
fn succeeded(call: &Call) -> bool {
    let seen = call.seen();
    seen.trouble.is_none() && seen.answer.is_some_and(|answer| answer.status.is_success())
}

/// The whole of a body, whose length is `bytes` by its head.
async fn collect(
    mut body: BoxStream<'static, object_store::Result<Bytes>>,
    bytes: u64,
) -> object_store::Result<Bytes> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    if first.len() as u64 == bytes {
        return Ok(first);
    }
    let aside = usize::try_from(bytes.min(SET_ASIDE_BYTES_MAX)).unwrap_or(0);
    let mut collected = BytesMut::with_capacity(aside.max(first.len()));
    collected.extend_from_slice(&first);
    while let Some(more) = body.next().await.transpose()? {
        collected.extend_from_slice(&more);
    }
    Ok(collected.freeze())
}

/// Fewer bytes than the answer's head promised: the connection was cut where nobody noticed.
fn cut_short(operation: &'static str, key: &str, arrived: usize, promised: u64) -> Error {
    Error::new(ErrorKind::Unavailable, operation, key)
        .with_detail(format!("the answer was cut short: {arrived} of {promised} bytes arrived"))
}

#[async_trait]
impl Store for CloudStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        if self.exclusive {
            // The user's word: nobody else writes. What we wrote ourselves is found by looking.
            match self.head_for("put", key).await {
                Ok(_) => return Err(Error::new(ErrorKind::AlreadyExists, "put", key)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match self.put_once(key, &data, PutMode::Create).await {
            Err(error) if self.exclusive && error.kind() == ErrorKind::Unsupported => {
                self.put_once(key, &data, PutMode::Overwrite).await
            }
            result => result,
        }
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        let whole = |found: GetResult| async move {
            let bytes = found.meta.size;
            Ok((collect(found.into_stream(), bytes).await?, bytes))
        };
        let (bytes, promised) = self.ask(RequestClass::Get, "get", key, None, whole).await?;
        if bytes.len() as u64 == promised {
            return Ok(bytes);
        }
        Err(cut_short("get", key, bytes.len(), promised))
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        const OPERATION: &str = "get range";
        let beyond = |size| Err(Error::beyond_end(OPERATION, key, &range, size));
        if range.is_empty() {
            // Not to be said in a header; the object must be there and reach that far.
            let size = self.head_for(OPERATION, key).await?.size;
            let within = range.start == range.end && range.end <= size;
            return if within { Ok(Bytes::new()) } else { beyond(size) };
        }
        let part = |found: GetResult| async move {
            let (size, range) = (found.meta.size, found.range.clone());
            let bytes = range.end - range.start;
            Ok((collect(found.into_stream(), bytes).await?, size, bytes))
        };
        let asked = Some(range.clone());
        let (bytes, size, promised) =
            match self.ask(RequestClass::Get, OPERATION, key, asked, part).await {
                // Azurite answers a range behind the end with another one.
                Err(error) if error.kind() == ErrorKind::Other => {
                    let size = self.head_for(OPERATION, key).await?.size;
                    return if range.end > size { beyond(size) } else { Err(error) };
                }
                got => got?,
            };
        if range.end > size {
            return beyond(size);
        }
        if bytes.len() as u64 != promised {
            return Err(cut_short(OPERATION, key, bytes.len(), promised));
        }
        Ok(bytes)
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.head_for("head", key).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        validate_prefix("list", prefix)?;
        let listed = self.lists.list(prefix).await?;
        if self.provider != Provider::Azure || validate_key("list", prefix).is_err() {
            return Ok(listed);
        }
        // `object_store` takes an Azure blob whose name is the whole prefix for a directory.
        match self.head_for("list", prefix).await {
            Ok(ObjectInfo { size, modified, .. }) => {
                let exact = Listed { key: prefix.to_owned(), size, modified };
                Ok(stream::once(async { Ok(exact) }).chain(listed).boxed())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(listed),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        if self.provider == Provider::S3 {
            // It says nothing of deleting what is not there.
            self.head_for("delete", key).await?;
        }
        self.delete_for("delete", key).await
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        match self.provider {
            Provider::Gcs => self.delete_each(keys).await,
            Provider::S3 | Provider::Azure => {
                let path = |key: &str| self.path("delete", key);
                bulk::delete(&self.objects, self.provider, keys, path).await
            }
        }
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        if self.provider == Provider::S3 && !self.own {
            // One that doesn't know the condition would copy over what exists and say nothing.
            let data = self.get(from).await?;
            return self.put_new(to, data.into()).await;
        }
        self.copy_there(from, to).await
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        self.locks.clone().map(|locks| locks as Arc<dyn Locking>)
    }

    fn describe(&self) -> String {
        self.place.clone()
    }
}

impl fmt::Debug for CloudStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The inner store's own Debug may show its credentials.
        f.debug_struct("CloudStore").field("place", &self.place).finish_non_exhaustive()
    }
}
