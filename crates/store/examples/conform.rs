//! by hand
use lifeboat_store::{
    cloud, conformance,
    credentials::Credentials,
    options::StoreOptions,
    url::{Bucket, Provider},
};
use std::sync::Arc;
#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let provider = match args[1].as_str() {
        "s3" => Provider::S3,
        "gs" => Provider::Gcs,
        _ => Provider::Azure,
    };
    let bucket = Bucket { provider, name: args[2].clone(), prefix: args[3].clone() };
    let mut options = StoreOptions::new(Arc::new(std::time::SystemTime::now));
    options.credentials = Credentials::from_variables(std::env::vars());
    options.exclusive = std::env::var("EXCLUSIVE").is_ok();
    let cloud = cloud::open(&bucket, &options).unwrap();
    println!("{}", cloud.store.describe());
    let t = std::time::Instant::now();
    match conformance::run(&cloud.store, "probe/").await {
        Ok(()) => println!("all good"),
        Err(f) => {
            for f in f {
                println!("FAIL {f}")
            }
        }
    }
    let keys: Vec<String> = (0..450).map(|i| format!("many/{i}")).collect();
    for chunk in keys.chunks(50) {
        futures::future::join_all(chunk.iter().map(|k| cloud.store.put_new(k, b"1".into())))
            .await
            .into_iter()
            .for_each(|r| r.unwrap());
    }
    let mut ask = keys.clone();
    ask.push("many/none".into());
    println!("delete_many: {:?}", cloud.store.delete_many(&ask).await);
    println!(
        "left {:?}",
        futures::TryStreamExt::try_collect::<Vec<_>>(cloud.store.list("many/").await.unwrap())
            .await
            .unwrap()
            .len()
    );
    cloud.store.put_new("c/from", b"abc".into()).await.unwrap();
    println!("copy {:?}", cloud.store.copy_new("c/from", "c/to").await);
    println!(
        "copy again {:?}",
        cloud.store.copy_new("c/from", "c/to").await.map_err(|e| (e.kind(), e.to_string()))
    );
    println!(
        "copy none {:?}",
        cloud.store.copy_new("c/none", "c/to2").await.map_err(|e| (e.kind(), e.to_string()))
    );
    println!("{:?}", cloud.store.delete_many(&["c/from".into(), "c/to".into()]).await);
    for (c, t) in cloud.traffic.all() {
        println!("{} {:?}", c.name(), t)
    }
    println!("{:?}", t.elapsed());
}
