//! Many tiny files: what they take in a repository, beside `tar | zstd -3` and restic.
