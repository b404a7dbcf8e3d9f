use std::os::unix::fs::symlink;

use super::*;

fn remove_all(path: &Path) -> Result<()> {
    Control::unwatched(|control| remove(path, true, false, control))
}

#[test]
fn wide_and_deep_trees_go_and_links_are_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("kept")).unwrap();
    fs::write(at("kept/file"), "").unwrap();
    // Each level has something before and after the folder below it, in whatever order they are listed.
    let mut level = at("tree");
    for _ in 0..20 {
        for name in ["a", "c", "d/b", "m/b", "z"] {
            fs::create_dir_all(level.join(name)).unwrap();
        }
        fs::write(level.join("file"), "").unwrap();
        symlink(at("kept"), level.join("link")).unwrap();
        level.push("m");
    }
    remove_all(&at("tree")).unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    assert!(at("kept/file").exists());
}

/// Whoever puts links in the place of folders while they are removed only makes the removal fail.
#[test]
fn links_that_take_the_place_of_folders_are_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir_all(at("kept/m/m")).unwrap();
    fs::write(at("kept/m/m/file"), "").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(relaxed) {
                let _ = fs::rename(at("tree/m"), at("aside"));
                let _ = symlink(at("kept"), at("tree/m"));
                let _ = fs::remove_file(at("tree/m"));
                let _ = fs::rename(at("aside"), at("tree/m"));
            }
        });
        for _ in 0..100 {
            let _ = fs::create_dir_all(at("tree/m/m/m/m/m/m/m"));
            let _ = remove_all(&at("tree"));
        }
        done.store(true, relaxed);
    });
    assert!(at("kept/m/m/file").exists());
}

#[test]
fn a_tree_may_be_removed_by_many() {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("tree");
    for _ in 0..50 {
        for name in ["a", "b"] {
            fs::create_dir_all(["m"; 30].iter().fold(tree.join(name), |at, m| at.join(m))).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    Control::unwatched(|control| remove(&tree, true, true, control)).unwrap();
                    assert!(!tree.exists());
                });
            }
        });
    }
}
