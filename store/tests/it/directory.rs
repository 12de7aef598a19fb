use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tollgate_store::Secret;
use tollgate_store::backend::{Backend, Depth, Expected, Location, StoreError, TokenOwner, open};
use tollgate_store::document::{DocumentId, Kind};

use crate::conformance::{self, Place, create, load, names, poll, read, remove};
use crate::sample::{key, key_id, name, namespace};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn namespace(&self) -> PathBuf {
        self.root().join("prod")
    }
}

#[async_trait::async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn Backend> {
        open(&Location::Directory(self.root()), &namespace())
            .await
            .unwrap()
    }

    async fn put(&self, id: DocumentId, json: Value) {
        let folder = self.namespace().join(id.kind);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(id.name + ".json"), json.to_string()).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_directory_keeps_every_promise() {
    conformance::hold(Folder::new).await;
}

#[tokio::test]
async fn a_document_is_a_readable_file() {
    let folder = Folder::new();
    let revision = create(&folder.open().await, "Team/orders:read").await;

    let path = folder
        .namespace()
        .join("upstream/%54eam%2Forders%3Aread.json");

    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(&format!("\n  \"revision\": \"{}\"", revision.as_str())));
}

#[tokio::test]
async fn a_token_is_for_its_owners_eyes_only() {
    let folder = Folder::new();
    let backend = folder.open().await;
    let (owner_name, id) = (name("acme"), key_id("acme"));
    let owner = TokenOwner::Key {
        name: &owner_name,
        id: &id,
    };

    let token = Secret::new("hush".to_owned());
    let place = backend
        .write_token(owner, &token, &Expected::Absent)
        .await
        .unwrap();

    assert_eq!(fs::read_to_string(&place.secret_id).unwrap(), "hush");
    assert_eq!(mode(Path::new(&place.secret_id)), 0o600);
    assert_eq!(mode(&folder.namespace().join("token")), 0o700);
}

#[tokio::test]
async fn nothing_is_left_behind_by_the_last_document() {
    let folder = Folder::new();
    let backend = folder.open().await;
    let (one, other) = (create(&backend, "a").await, create(&backend, "b").await);
    remove(&backend, "a", &one).await;
    assert!(folder.namespace().exists());

    remove(&backend, "b", &other).await;

    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 0);
}

#[tokio::test]
async fn writers_and_removers_of_a_namespace_lose_nothing() {
    let folder = Folder::new();
    let mut writers = JoinSet::new();
    for number in 0..8 {
        let backend = folder.open().await;
        writers.spawn(async move {
            let own = format!("writer-{number}");
            for _ in 0..20 {
                let revision = create(&backend, &own).await;
                assert_eq!(read(&backend, &own).await.revision, Some(revision.clone()));
                remove(&backend, &own, &revision).await;
            }
        });
    }
    writers.join_all().await;

    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_crashed_writer_left_is_ignored_and_removed_by_the_next() {
    let folder = Folder::new();
    create(&folder.open().await, "a").await;
    let unfinished = folder.namespace().join("upstream/.b.json.unfinished");
    fs::write(&unfinished, "{\"kind\": \"upst").unwrap();

    let backend = folder.open().await;
    assert_eq!(names(&load(&backend, None).await), ["a"]);
    create(&backend, "c").await;

    assert!(!unfinished.exists());
}

#[tokio::test]
async fn what_a_crashed_removal_left_is_tidied_up() {
    let folder = Folder::new();
    let backend = folder.open().await;
    create(&backend, "a").await;
    fs::remove_file(folder.namespace().join("upstream/a.json")).unwrap();

    backend.tidy().await.unwrap();

    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_writer_that_is_killed_at_any_time_leaves_whole_documents() {
    const TEST: &str = "directory::a_writer_that_is_killed_at_any_time_leaves_whole_documents";
    const ROOT: &str = "TOLLGATE_TEST_KILLED_WRITER";
    if let Some(root) = std::env::var_os(ROOT) {
        write_for_ever(&Location::Directory(root.into())).await;
    }
    let folder = Folder::new();
    let backend = folder.open().await;
    create(&backend, "kept").await;
    for round in 0..20 {
        let seen = load(&backend, None).await;
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST])
            .env(ROOT, folder.root())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // A little later each time.
        let mut changes = 0;
        while changes <= round * 3 {
            assert!(writer.try_wait().unwrap().is_none(), "the writer failed");
            changes += u32::from(
                poll(&backend, Some(&seen.cursor), Depth::Signal)
                    .await
                    .is_some(),
            );
        }
        writer.kill().unwrap();
        writer.wait().unwrap();

        let found = load(&backend, None).await;
        assert!(found.entries.iter().all(|entry| entry.document.is_ok()));
        assert!(names(&found).contains(&"kept"));
        let revision = create(&folder.open().await, "next").await;
        remove(&backend, "next", &revision).await;
    }
    let next_writer = folder.open().await;
    create(&next_writer, "last").await;
    for file in fs::read_dir(folder.namespace().join("upstream")).unwrap() {
        let file_name = file.unwrap().file_name().into_string().unwrap();
        assert!(!file_name.starts_with('.'), "{file_name}");
    }
}

/// The most documents that a writer leaves behind.
const KEPT_MAX: usize = 8;

async fn write_for_ever(location: &Location) -> ! {
    let backend = open(location, &namespace()).await.unwrap();
    let mut kept = VecDeque::new();
    loop {
        let unique = uuid::Uuid::now_v7().simple();
        let own = format!("a{unique}");
        let revision = create(&backend, &own).await;
        remove(&backend, &own, &revision).await;
        let next = format!("b{unique}");
        let revision = create(&backend, &next).await;
        kept.push_back((next, revision));
        // Whoever reads slower than this writes would never see the end of it.
        if kept.len() > KEPT_MAX
            && let Some((oldest, revision)) = kept.pop_front()
        {
            remove(&backend, &oldest, &revision).await;
        }
    }
}

#[tokio::test]
async fn a_change_whose_revision_was_never_announced_shows_by_the_folders_time() {
    let folder = Folder::new();
    let backend = folder.open().await;
    create(&backend, "a").await;
    let seen = load(&backend, None).await;

    let documents = folder.namespace().join("upstream");
    fs::rename(documents.join("a.json"), documents.join("b.json")).unwrap();
    // The clock of file times may not have ticked since the write.
    let later =
        fs::metadata(&documents).unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
    fs::File::open(&documents)
        .unwrap()
        .set_modified(later)
        .unwrap();
    let changed = load(&backend, Some(&seen.cursor)).await;

    let problem = changed.entries[0].document.clone().unwrap_err();
    assert_eq!(
        problem.message,
        "it says that it is upstream \"a\", but stands where upstream \"b\" should"
    );
}

#[tokio::test]
async fn an_edit_in_place_is_found_by_reading_everything() {
    let folder = Folder::new();
    let backend = folder.open().await;
    create(&backend, "a").await;
    let seen = load(&backend, None).await;

    fs::write(folder.namespace().join("upstream/a.json"), "{").unwrap();

    let cursor = Some(&seen.cursor);
    assert!(poll(&backend, cursor, Depth::Signal).await.is_none());
    let changed = poll(&backend, cursor, Depth::Everything).await.unwrap();
    let problem = changed.entries[0].document.clone().unwrap_err();
    assert!(problem.message.starts_with("it is not JSON"), "{problem}");
}

#[tokio::test]
async fn odd_files_are_named_and_hide_nothing() {
    let folder = Folder::new();
    let backend = folder.open().await;
    create(&backend, "a").await;
    let documents = folder.namespace().join("upstream");
    fs::create_dir(documents.join("folder.json")).unwrap();
    fs::write(documents.join("Capital.json"), "{}").unwrap();
    fs::write(documents.join("notes.txt"), "of a person").unwrap();
    fs::create_dir(folder.namespace().join("gizmo")).unwrap();
    let gizmo = r#"{"kind": "gizmo", "name": "g", "schema": 1, "revision": "0", "spec": {}}"#;
    fs::write(folder.namespace().join("gizmo/g.json"), gizmo).unwrap();

    let found = load(&backend, None).await;

    let mut problems: Vec<String> = found
        .entries
        .iter()
        .filter_map(|entry| Some(format!("{}: {}", entry.id, entry.document.as_ref().err()?)))
        .collect();
    problems.sort();
    assert_eq!(names(&found), ["Capital", "a", "folder", "g"]);
    assert_eq!(problems.len(), 3);
    assert_eq!(
        problems[0],
        "gizmo \"g\": this build knows no kind \"gizmo\": upgrade it"
    );
    assert_eq!(
        problems[1],
        "upstream \"Capital\": its file should be called \"%43apital.json\""
    );
    assert!(problems[2].contains("can't be read"), "{}", problems[2]);
}

#[tokio::test]
async fn a_link_to_itself_a_pipe_and_an_endless_file_are_named_and_stop_nobody() {
    let folder = Folder::new();
    let backend = folder.open().await;
    create(&backend, "good").await;
    let quotas = folder.namespace().join("quota");
    fs::create_dir_all(&quotas).unwrap();
    std::os::unix::fs::symlink("loop.json", quotas.join("loop.json")).unwrap();
    let pipe = quotas.join("pipe.json");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let endless = fs::File::create(quotas.join("endless.json")).unwrap();
    endless.set_len(1 << 40).unwrap();

    let loaded = load(&backend, None).await;

    let broken = loaded
        .entries
        .iter()
        .filter(|entry| entry.document.is_err());
    let mut broken: Vec<_> = broken.map(|entry| entry.id.to_string()).collect();
    broken.sort();
    let expected = ["quota \"endless\"", "quota \"loop\"", "quota \"pipe\""];
    assert_eq!(broken, expected);
    assert_eq!(loaded.entries.len(), 4);
}

#[tokio::test]
async fn a_file_planted_where_a_token_is_prepared_is_not_written_through() {
    let folder = Folder::new();
    let backend = folder.open().await;
    let (owner_name, id) = (name("acme"), key_id("acme"));
    let owner = TokenOwner::Key {
        name: &owner_name,
        id: &id,
    };
    let elsewhere = folder.0.path().join("elsewhere");
    let tokens = folder.namespace().join("token");
    fs::create_dir_all(&tokens).unwrap();
    std::os::unix::fs::symlink(&elsewhere, tokens.join(".acme.unfinished")).unwrap();

    let token = Secret::new("hush".to_owned());
    let place = backend
        .write_token(owner, &token, &Expected::Absent)
        .await
        .unwrap();

    assert!(!elsewhere.exists());
    assert_eq!(fs::read_to_string(&place.secret_id).unwrap(), "hush");
    assert_eq!(mode(Path::new(&place.secret_id)), 0o600);
}

#[tokio::test]
async fn a_root_that_is_no_folder_is_named() {
    let folder = Folder::new();
    let backend = folder.open().await;
    fs::write(folder.root(), "a file").unwrap();

    for error in [
        backend.poll(None, Depth::Signal).await.unwrap_err(),
        backend.read(&key(Kind::Upstream, "a")).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::File { .. }), "{error}");
        assert!(error.to_string().contains("store/prod"), "{error}");
    }
    let location = Location::Directory(folder.root());
    let refused = open(&location, &namespace()).await.unwrap_err();
    assert!(refused.to_string().contains("is no folder"), "{refused}");
}

#[tokio::test]
async fn a_lost_root_is_an_error_rather_than_an_empty_store() {
    let folder = Folder::new();
    let backend = folder.open().await;
    create(&backend, "a").await;
    let seen = load(&backend, None).await;

    fs::rename(folder.root(), folder.0.path().join("unmounted")).unwrap();

    let error = backend.poll(Some(&seen.cursor), Depth::Signal).await;
    assert!(matches!(error, Err(StoreError::File { .. })), "{error:?}");
}
