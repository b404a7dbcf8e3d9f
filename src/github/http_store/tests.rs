use std::fs;

use super::*;
use tempfile::TempDir;

fn headers(fields: &[(&str, &str)]) -> Headers {
    Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
}

fn stored(vary: &str, body: &'static str) -> Arc<Stored> {
    let fields = [("Vary", vary), ("Set-Cookie", "sid=n3w")];
    let stored = Stored::new(200, headers(&fields), (1, 1));
    Arc::new(Stored { body: body.into(), ..stored })
}

fn open(folder: &TempDir) -> Arc<HttpStore> {
    Arc::new(HttpStore::new(folder.path().join("http"), 1 << 20, 1 << 20))
}

async fn body(store: &Arc<HttpStore>, url: &Url, request: &[(&str, &str)]) -> Option<Vec<u8>> {
    store.find(url, &headers(request)).await.map(|stored| stored.body.to_vec())
}

fn ask(url: &Url, request: &[(&str, &str)]) -> Ask {
    Ask { method: "GET".to_owned(), url: url.clone(), headers: headers(request), body: None }
}

async fn put(store: &Arc<HttpStore>, url: &Url, request: &[(&str, &str)], new: Arc<Stored>) {
    store.put(&ask(url, request), new, store.state()).await;
}

#[tokio::test]
async fn what_was_asked_for_before_it_was_outdated_is_not_stored() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let [url, other] = ["a", "b"].map(|name| Url::parse(&format!("https://{name}/")).unwrap());
    let before = store.state();
    store.invalidate(&url).await;
    put(&store, &other, &[], stored("", "made the secret")).await;
    store.put(&ask(&url, &[]), stored("", "old"), before).await;
    assert_eq!(body(&store, &url, &[]).await, None);
    let before = store.state();
    store.invalidate(&url).await;
    store.put(&ask(&url, &[]), stored("", "old"), before).await;
    store.put(&ask(&other, &[]), stored("", "other"), before).await;
    assert_eq!(body(&store, &url, &[]).await, None);
    assert_eq!(body(&store, &other, &[]).await.unwrap(), b"other");
    store.clear().await.unwrap();
    store.put(&ask(&other, &[]), stored("", "other"), before).await;
    assert_eq!(body(&store, &other, &[]).await, None);
    put(&store, &url, &[], stored("", "new")).await;
    assert_eq!(body(&store, &url, &[]).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_folder_that_was_deleted_gets_its_secret_again() {
    let folder = TempDir::new().unwrap();
    let (store, url) = (open(&folder), Url::parse("https://a.example/").unwrap());
    put(&store, &url, &[], stored("", "1")).await;
    fs::remove_dir_all(folder.path().join("http")).unwrap();
    put(&store, &url, &[], stored("", "2")).await;
    // The index went with the folder; it is in memory only.
    assert_eq!(body(&store, &url, &[]).await.unwrap(), b"2");
    let other = Url::parse("https://b.example/").unwrap();
    put(&store, &other, &[], stored("", "3")).await;
    assert_eq!(body(&open(&folder), &other, &[]).await.unwrap(), b"3");
}

#[tokio::test]
async fn responses_are_kept_apart_by_credential_and_by_what_they_vary_by() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let url = Url::parse("https://a.example/").unwrap();
    let mine = [("Authorization", "Bearer mine"), ("Accept", "a"), ("Cookie", "sid=mine")];
    put(&store, &url, &mine, stored("accept", "mine")).await;
    for store in [&store, &open(&folder)] {
        assert_eq!(body(store, &url, &mine).await.unwrap(), b"mine");
        let others = [("Authorization", "Bearer x"), ("Cookie", "sid=x")];
        assert_eq!(body(store, &url, &[others[0], mine[1], mine[2]]).await, None);
        assert_eq!(body(store, &url, &[mine[0], mine[1], others[1]]).await, None);
        assert_eq!(body(store, &url, &[mine[0], mine[1]]).await, None);
        assert_eq!(body(store, &url, &[mine[1]]).await, None);
        assert_eq!(body(store, &url, &[mine[0], ("Accept", "b"), mine[2]]).await, None);
    }
    store.invalidate(&url).await;
    put(&store, &url, &[], stored("accept", "anybody's")).await;
    for store in [&store, &open(&folder)] {
        assert_eq!(body(store, &url, &mine).await, None);
        assert_eq!(body(store, &url, &[]).await.unwrap(), b"anybody's");
    }
}

#[tokio::test]
async fn no_token_is_at_rest_and_a_lost_secret_loses_the_entries() {
    let folder = TempDir::new().unwrap();
    let url = Url::parse("https://a.example/").unwrap();
    let mine = [("Authorization", "Bearer s3cret"), ("Cookie", "c00kie")];
    put(&open(&folder), &url, &mine, stored("authorization, cookie", "b")).await;
    let mut folders = vec![folder.path().to_owned()];
    let mut files = 0;
    while let Some(next) = folders.pop() {
        for file in fs::read_dir(next).unwrap().map(|file| file.unwrap().path()) {
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            files += 1;
            let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
            assert!(["s3cret", "c00kie", "n3w"].iter().all(|secret| !text.contains(secret)));
        }
    }
    assert!(files >= 2);
    fs::write(folder.path().join("http").join("secret"), "torn").unwrap();
    let store = open(&folder);
    assert_eq!(body(&store, &url, &mine).await, None);
    put(&store, &url, &mine, stored("", "new")).await;
    assert_eq!(body(&open(&folder), &url, &mine).await.unwrap(), b"new");
}
