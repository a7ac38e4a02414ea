//! What a provider charges for what was counted, estimated by a table of prices.
//!
//! Pure: from numbers to a number. An estimate for orientation: lists of prices have regions, tiers,
//! free amounts and classes that this one has not.

use crate::cloud::RequestClass;
use crate::layer::meter::Metrics;
use crate::url::Provider;

/// The providers' GB is 2^30 bytes.
const BYTES_PER_GB: f64 = (1_u64 << 30) as f64;

/// Prices of one kind of storage, in a currency of the provider's.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceTable {
    /// The currency, such as `USD`.
    pub currency: String,
    /// A thousand requests that create: put, copy.
    pub write_per_1000: f64,
    /// A thousand requests for a page of a list.
    pub list_per_1000: f64,
    /// A thousand requests that read: get, head.
    pub read_per_1000: f64,
    /// A thousand requests that delete.
    pub delete_per_1000: f64,
    /// A GB that leaves the provider's network.
    pub download_per_gb: f64,
    /// A GB that is read, besides.
    pub retrieval_per_gb: f64,
    /// A GB that is kept for a month.
    pub storage_per_gb_month: f64,
}

/// An estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The currency, such as `USD`.
    pub currency: String,
    /// For the requests.
    pub requests: f64,
    /// For the bytes that were read, if they left the provider's network.
    pub download: f64,
}

impl Cost {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.requests + self.download
    }
}

impl PriceTable {
    /// The provider's usual kind of storage, by the public list prices that were known in November
    /// 2025: S3 Standard in us-east-1, Cloud Storage Standard in us-east1, Blob Storage hot LRS in East
    /// US 2; the first tier of each.
    pub fn of(provider: Provider) -> Self {
        let (write, list, read, download, storage) = match provider {
            Provider::S3 => (0.005, 0.005, 0.0004, 0.09, 0.023),
            Provider::Gcs => (0.005, 0.005, 0.0004, 0.12, 0.020),
            Provider::Azure => (0.005, 0.005, 0.0004, 0.087, 0.018),
        };
        Self {
            currency: "USD".to_owned(),
            write_per_1000: write,
            list_per_1000: list,
            read_per_1000: read,
            delete_per_1000: 0.0,
            download_per_gb: download,
            retrieval_per_gb: 0.0,
            storage_per_gb_month: storage,
        }
    }

    /// What the requests and bytes of `metrics` cost. Requests that failed are not charged.
    pub fn estimate(&self, metrics: &Metrics) -> Cost {
        let requests = RequestClass::ALL
            .into_iter()
            .map(|class| {
                let traffic = metrics.http(class);
                let charged = traffic.requests.saturating_sub(traffic.failures);
                amount(charged) / 1000.0 * self.per_1000(class)
            })
            .sum();
        let read_gb = amount(metrics.http(RequestClass::Get).bytes_down) / BYTES_PER_GB;
        Cost {
            currency: self.currency.clone(),
            requests,
            download: read_gb * (self.download_per_gb + self.retrieval_per_gb),
        }
    }

    /// What it costs to read so many bytes with so many requests.
    pub fn reading(&self, requests: u64, bytes: u64) -> Cost {
        self.asking(&[(RequestClass::Get, requests)], bytes)
    }

    /// What so many requests of these classes cost, by which so many bytes are read.
    pub fn asking(&self, requests: &[(RequestClass, u64)], bytes: u64) -> Cost {
        let of_class = |(class, requests): &(RequestClass, u64)| {
            amount(*requests) / 1000.0 * self.per_1000(*class)
        };
        Cost {
            currency: self.currency.clone(),
            requests: requests.iter().map(of_class).sum(),
            download: amount(bytes) / BYTES_PER_GB * (self.download_per_gb + self.retrieval_per_gb),
        }
    }

    /// What it costs to keep so many bytes for a month.
    pub fn storage_month(&self, bytes: u64) -> f64 {
        amount(bytes) / BYTES_PER_GB * self.storage_per_gb_month
    }

    fn per_1000(&self, class: RequestClass) -> f64 {
        match class {
            RequestClass::Put | RequestClass::Copy => self.write_per_1000,
            RequestClass::List => self.list_per_1000,
            RequestClass::Get | RequestClass::Head | RequestClass::Settings => self.read_per_1000,
            RequestClass::Delete | RequestClass::DeleteMany => self.delete_per_1000,
            RequestClass::Credentials => 0.0,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate needs no more than 53 bits")]
fn amount(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
