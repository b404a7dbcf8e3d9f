//! How much memory the control groups of a process leave it, and how much of that is used.
//!
//! A process may use no more than the tightest limit of its group and all groups above it (`memory.max` and
//! `memory.high` of cgroup v2, `memory.limit_in_bytes` of v1). What counts is what the group uses without the page cache
//! that the kernel takes back first (`inactive_file`), as the kernel's cgroup-v2 documentation describes it and
//! container tools count it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

/// The groups of this process that can have a limit, innermost first; their files stay open.
#[derive(Debug)]
pub struct Container(Vec<Group>);

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerMemory {
    pub limit: u64,
    pub used: u64,
}

#[derive(Debug)]
struct Group {
    limits: Vec<File>,
    used: File,
    stat: File,
    /// The line of `stat` with the page cache that goes first.
    reclaimable: &'static str,
}

/// How a version of control groups names its files.
struct Version {
    limits: &'static [&'static str],
    used: &'static str,
    reclaimable: &'static str,
}

const V2: Version = Version {
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    reclaimable: "inactive_file ",
};
const V1: Version = Version {
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file ",
};

/// No limit, as v1 tells it: the largest multiple of the page size, so anything near it.
const V1_UNLIMITED: u64 = 1 << 62;

impl Container {
    /// `None` outside of control groups that watch memory.
    pub fn of_this_process() -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::find(&membership, Path::new("/sys/fs/cgroup"))
    }

    /// From the lines of `/proc/self/cgroup` and the folder where control groups are mounted.
    fn find(membership: &str, mounted: &Path) -> Option<Self> {
        let groups = membership.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let found = match controllers {
                "" => V2.groups(mounted, path),
                _ if controllers.split(',').any(|name| name == "memory") => {
                    V1.groups(&mounted.join("memory"), path)
                }
                _ => return None,
            };
            (!found.is_empty()).then_some(found)
        });
        groups.map(Self)
    }

    /// The tightest limit and what is used of it; `None` without a limit.
    pub fn read(&self) -> Option<ContainerMemory> {
        let limited = self.0.iter().filter_map(|group| Some((group.limit()?, group)));
        let (limit, group) = limited.min_by_key(|(limit, _)| *limit)?;
        Some(ContainerMemory { limit, used: group.used()? })
    }
}

impl Version {
    /// The group at `path` and those above it. In a container `path` may be that of the host, and its folders are
    /// then missing; the mounted folder itself is the container's.
    fn groups(&self, mounted: &Path, path: &str) -> Vec<Group> {
        let innermost = mounted.join(path.trim_start_matches('/'));
        let folders = innermost.ancestors().take_while(|folder| folder.starts_with(mounted));
        folders.filter_map(|folder| self.group(folder)).collect()
    }

    fn group(&self, folder: &Path) -> Option<Group> {
        let limits: Vec<File> =
            self.limits.iter().filter_map(|name| File::open(folder.join(name)).ok()).collect();
        (!limits.is_empty()).then_some(())?;
        let used = File::open(folder.join(self.used)).ok()?;
        let stat = File::open(folder.join("memory.stat")).ok()?;
        Some(Group { limits, used, stat, reclaimable: self.reclaimable })
    }
}

impl Group {
    /// `max` is no number, and so no limit.
    fn limit(&self) -> Option<u64> {
        self.limits.iter().filter_map(read_number).filter(|limit| *limit < V1_UNLIMITED).min()
    }

    fn used(&self) -> Option<u64> {
        let mut text = [0; 8_192];
        let length = self.stat.read_at(&mut text, 0).ok()?;
        let stat = std::str::from_utf8(&text[..length]).ok()?;
        let line = stat.lines().find_map(|line| line.strip_prefix(self.reclaimable));
        let reclaimable = line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0);
        Some(read_number(&self.used)?.saturating_sub(reclaimable))
    }
}

fn read_number(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    fn v2(folder: &Path, max: &str, high: &str, current: &str) {
        let stat = "anon 5\ninactive_anon 7\ninactive_file 100\n";
        let files = [("memory.max", max), ("memory.high", high), ("memory.current", current)];
        group(folder, &files);
        group(folder, &[("memory.stat", stat)]);
    }

    #[test]
    fn the_tightest_limit_up_the_tree_counts() {
        let mounted = tempfile::tempdir().unwrap();
        let root = mounted.path();
        v2(&root.join("a"), "5000\n", "max\n", "1100\n");
        v2(&root.join("a/b"), "max\n", "max\n", "900\n");
        v2(&root.join("a/b/c"), "9000\n", "max\n", "500\n");
        let found = Container::find("0::/a/b/c\n", root).unwrap();
        assert_eq!(found.read(), Some(ContainerMemory { limit: 5_000, used: 1_000 }));
        // Limits change while the files are open.
        fs::write(root.join("a/b/c/memory.high"), "700\n").unwrap();
        assert_eq!(found.read(), Some(ContainerMemory { limit: 700, used: 400 }));
        for folder in ["a", "a/b/c"] {
            fs::write(root.join(folder).join("memory.max"), "max\n").unwrap();
            fs::write(root.join(folder).join("memory.high"), "max\n").unwrap();
        }
        assert_eq!(found.read(), None, "no limit");
    }

    #[test]
    fn a_path_of_the_host_leads_to_the_mounted_folder() {
        let mounted = tempfile::tempdir().unwrap();
        v2(mounted.path(), "300\n", "max\n", "250\n");
        let found = Container::find("0::/docker/1234\n", mounted.path()).unwrap();
        assert_eq!(found.read(), Some(ContainerMemory { limit: 300, used: 150 }));
    }

    #[test]
    fn the_first_version_is_read_too() {
        let mounted = tempfile::tempdir().unwrap();
        let files = |limit| {
            [
                ("memory.limit_in_bytes", limit),
                ("memory.usage_in_bytes", "800\n"),
                ("memory.stat", "cache 1\ntotal_inactive_file 300\n"),
            ]
        };
        group(&mounted.path().join("memory"), &files("9223372036854771712\n"));
        group(&mounted.path().join("memory/x"), &files("1000\n"));
        let found = Container::find("5:cpu,cpuacct:/\n4:memory:/x\n0::/\n", mounted.path());
        assert_eq!(found.unwrap().read(), Some(ContainerMemory { limit: 1_000, used: 500 }));
        let outside = Container::find("4:memory:/\n0::/\n", mounted.path());
        assert_eq!(outside.unwrap().read(), None);
        assert!(Container::find("4:memory:/\n", Path::new("/nowhere")).is_none());
    }
}
