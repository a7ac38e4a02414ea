//! A list that goes on when it breaks off.
//!
//! It is begun again, and what was handed on before is left out: by the keys themselves while there
//! are few. The trait promises no order, but nearly all stores list by ascending keys: where many
//! keys have come in that order, the last one says it all, and nothing else is kept however long the
//! list is. Where many have come in another order, a list that breaks off is an error.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::layer::retry::RetryStore;
use crate::layer::retry::patience::Patience;
use crate::{Error, ErrorKind, Listed, ObjectStream, Result, Verb};

/// So many keys are remembered; and no store lists so many in ascending order by chance.
const FEW_KEYS: usize = 1000;

struct Relist {
    store: RetryStore,
    prefix: Arc<str>,
    listed: ObjectStream,
    told: Told,
    skip: Skip,
    failed: bool,
}

/// What was handed on.
struct Told {
    /// All keys while they are few.
    few: Option<HashSet<String>>,
    /// The last key, while each was behind the one before.
    last: Option<String>,
    ascending: bool,
}

/// What the list under way may tell again.
enum Skip {
    Nothing,
    Keys(HashSet<String>),
    /// Everything up to `told`, in ascending order; `at` is where the list is.
    UpTo {
        told: String,
        at: String,
    },
}

/// Hands on the objects of `begun`, a list of what begins with `prefix`, and begins it again where it
/// breaks off and that is safe.
pub(super) fn continued(store: RetryStore, prefix: &str, begun: ObjectStream) -> ObjectStream {
    let told = Told { few: Some(HashSet::new()), last: None, ascending: true };
    let prefix = prefix.into();
    let relist = Relist { store, prefix, listed: begun, told, skip: Skip::Nothing, failed: false };
    stream::unfold(relist, |mut relist| async {
        if relist.failed {
            return None;
        }
        let next = relist.next().await.transpose()?;
        relist.failed = next.is_err();
        Some((next, relist))
    })
    .boxed()
}

impl Relist {
    async fn next(&mut self) -> Result<Option<Listed>> {
        let mut next = self.next_new().await;
        if next.as_ref().is_err_and(Error::is_retryable) {
            // Counted anew for each stretch that brought something.
            let shared = Arc::clone(&self.store.shared);
            let mut patience = Patience::new(&shared, Verb::List);
            while let Err(error) = next {
                self.may_begin_again(&error)?;
                patience.after(error).await?;
                next = self.begin_again().await;
            }
            patience.succeeded();
        }
        let next = next?;
        if let Some(listed) = &next {
            self.told.add(&listed.key);
        }
        Ok(next)
    }

    /// The next object of the list under way that was not handed on before.
    async fn next_new(&mut self) -> Result<Option<Listed>> {
        while let Some(listed) = self.listed.next().await.transpose()? {
            if self.skip.is_new(&listed.key)? {
                return Ok(Some(listed));
            }
        }
        Ok(None)
    }

    fn may_begin_again(&self, error: &Error) -> Result<()> {
        if self.told.few.is_some() || self.told.ascending {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, error.operation(), &*self.prefix).with_detail(
            format!("the list broke off, and can't be continued in this store: {error}"),
        ))
    }

    async fn begin_again(&mut self) -> Result<Option<Listed>> {
        self.skip = self.told.skip();
        self.listed = self.store.inner.list(&self.prefix).await?.fuse().boxed();
        self.next_new().await
    }
}

impl Told {
    fn add(&mut self, key: &str) {
        self.ascending &= self.last.as_deref().is_none_or(|last| last < key);
        // Uses the room of the key before again.
        let last = self.last.get_or_insert_default();
        last.clear();
        last.push_str(key);
        if let Some(few) = &mut self.few {
            few.insert(key.to_owned());
            if few.len() > FEW_KEYS {
                self.few = None;
            }
        }
    }

    fn skip(&self) -> Skip {
        match (&self.few, &self.last) {
            (Some(few), _) => Skip::Keys(few.clone()),
            (None, Some(told)) => Skip::UpTo { told: told.clone(), at: String::new() },
            (None, None) => Skip::Nothing,
        }
    }
}

impl Skip {
    /// # Errors
    /// When an order that was relied on is none.
    fn is_new(&mut self, key: &str) -> Result<bool> {
        match self {
            Self::Nothing => Ok(true),
            Self::Keys(told) => Ok(!told.contains(key)),
            Self::UpTo { told, at } => {
                if key <= at.as_str() {
                    return Err(Error::new(ErrorKind::Other, Verb::List.name(), key).with_detail(
                        "the list broke off, and the store lists in another order than before; try \
                         again",
                    ));
                }
                at.clear();
                at.push_str(key);
                Ok(key > told.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests;
