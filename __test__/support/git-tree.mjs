// @ts-check
// Trees for the GitHub test server: one read from a real git repository, one built in memory.

import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * @typedef {object} TreeEntry
 * @property {string} path full path from the root, exactly as the tree spells it
 * @property {'100644' | '100755' | '120000' | '160000' | '040000'} mode
 * @property {'blob' | 'tree' | 'commit'} type
 * @property {string} sha
 * @property {number | null} size bytes of a blob, null for trees and submodules
 */

/**
 * @typedef {object} TreeSource
 * @property {string} commit commit SHA-1
 * @property {string} tree root tree SHA-1
 * @property {number} time commit time in seconds since 1970
 * @property {TreeEntry[]} entries every entry, trees included, in git's order
 * @property {(sha: string) => Promise<Buffer>} read bytes of one blob
 * @property {() => Promise<void>} close ends what `read` started; a later `read` starts it again
 */

/**
 * @typedef {string
 *   | Buffer
 *   | { content: string | Buffer, mode?: '100644' | '100755' }
 *   | { link: string }
 *   | { submodule: string }} MemoryFile
 */

const run = promisify(execFile)

/** A git hook exports GIT_DIR and the like, which would silently win over `-C folder`. */
function gitEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^GIT_/.test(name)))
}

/**
 * The tree of one commit of a git repository (a work tree or a bare repository).
 *
 * @param {string} repositoryFolder
 * @param {string} [revision]
 * @returns {Promise<TreeSource>}
 */
export async function gitTree(repositoryFolder, revision = 'HEAD') {
  /** @param {string[]} args */
  const git = async (...args) => {
    const options = { env: gitEnvironment(), maxBuffer: Infinity }
    return (await run('git', ['-C', repositoryFolder, ...args], options)).stdout
  }

  const format = '--format=%H %T %ct'
  const head = await git('log', '-1', '--no-show-signature', format, revision, '--')
  const [commit, tree, time] = head.trim().split(' ')
  const listing = await git('ls-tree', '--full-tree', '-r', '-z', '-t', '--long', commit)
  const entries = listing.split('\0').slice(0, -1).map(parseEntry)

  /** @type {ReturnType<typeof openBatch> | null} */
  let batch = null
  return {
    commit,
    tree,
    time: Number(time),
    entries,
    read(sha) {
      if (!batch?.open) batch = openBatch(repositoryFolder)
      return batch.read(sha)
    },
    async close() {
      await batch?.close()
    },
  }
}

/**
 * @param {string} line `<mode> <type> <sha> <padded size>\t<path>`
 * @returns {TreeEntry}
 */
function parseEntry(line) {
  const tab = line.indexOf('\t')
  const [mode, type, sha, size] = line.slice(0, tab).split(/ +/)
  const entry = { path: line.slice(tab + 1), mode, type, sha, size: null }
  return /** @type {TreeEntry} */ (type === 'blob' ? { ...entry, size: Number(size) } : entry)
}

/**
 * One `git cat-file --batch`, which answers in the order it is asked.
 *
 * @param {string} folder
 */
function openBatch(folder) {
  /** @type {{ resolve: (bytes: Buffer) => void, reject: (error: Error) => void }[]} */
  const waiting = []
  const child = spawn('git', ['-C', folder, 'cat-file', '--batch'], {
    env: gitEnvironment(),
    stdio: ['pipe', 'pipe', 'ignore'],
  })

  const ended = new Promise((resolve) => child.once('close', resolve)).then(() => {
    batch.open = false
    for (const { reject } of waiting) reject(new Error('git cat-file ended before answering'))
  })
  // A failed start or a broken pipe is followed by 'close', which rejects whoever waits.
  child.on('error', () => {})
  child.stdin.on('error', () => {})

  // Chunks are joined only when an answer is complete, so a large blob is copied once.
  /** @type {Buffer[]} */
  let chunks = []
  let buffered = 0
  /** @type {number | null} */
  let size = null

  /** @param {number} length */
  const take = (length) => {
    const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
    chunks = [all.subarray(length)]
    buffered -= length
    return all.subarray(0, length)
  }
  const headerLength = () => {
    chunks = [Buffer.concat(chunks)]
    return chunks[0].indexOf('\n') + 1
  }

  child.stdout.on('data', (chunk) => {
    chunks.push(chunk)
    buffered += chunk.length
    for (;;) {
      if (size === null) {
        const length = headerLength()
        if (length === 0) return
        const header = take(length).toString().trimEnd()
        if (/ \d+$/.test(header)) size = Number(header.split(' ')[2])
        else waiting.shift()?.reject(new Error(`git cat-file: ${header}`))
      } else {
        if (buffered <= size) return
        // A copy, because a view would pin the whole chunk it was cut from.
        waiting.shift()?.resolve(Buffer.from(take(size + 1).subarray(0, size)))
        size = null
      }
    }
  })

  const batch = {
    open: true,
    /**
     * @param {string} sha
     * @returns {Promise<Buffer>}
     */
    read(sha) {
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        child.stdin.write(`${sha}\n`)
      })
    },
    async close() {
      batch.open = false
      child.stdin.end()
      await ended
    },
  }
  return batch
}

const MEMORY_TREE_TIME = 1704067200

/**
 * A tree built from `path: file` pairs, with the SHA-1s git would give it.
 *
 * Paths are cut at `/` and otherwise taken verbatim, so trees that git refuses to check out can be
 * served: `../evil` becomes a tree `..` holding `evil`, `/etc/passwd` starts with a tree of empty
 * name, and `a` (say, a link) may stand beside `a/b`.
 *
 * @param {Record<string, MemoryFile>} files
 * @returns {TreeSource}
 */
export function memoryTree(files) {
  /** @type {Map<string, Buffer>} */
  const blobs = new Map()
  const root = emptyFolder()
  for (const [path, file] of Object.entries(files)) {
    const names = path.split('/')
    const name = /** @type {string} */ (names.pop())
    let folder = root
    for (const step of names) {
      const next = folder.folders.get(step) ?? emptyFolder()
      folder.folders.set(step, next)
      folder = next
    }
    folder.leaves.push({ name, ...leaf(file, blobs) })
  }

  const { sha: tree, entries } = listFolder(root, '')
  const person = `Memory Tree <memory-tree@example.invalid> ${MEMORY_TREE_TIME} +0000`
  const text = `tree ${tree}\nauthor ${person}\ncommitter ${person}\n\nTree built in memory\n`
  return {
    commit: objectSha('commit', Buffer.from(text)),
    tree,
    time: MEMORY_TREE_TIME,
    entries,
    async read(sha) {
      const bytes = blobs.get(sha)
      if (!bytes) throw new Error(`no blob ${sha} in this tree`)
      return bytes
    },
    async close() {},
  }
}

/** @typedef {Omit<TreeEntry, 'path'> & { name: string }} Leaf */
/** @typedef {{ leaves: Leaf[], folders: Map<string, Folder> }} Folder */

/** @returns {Folder} */
function emptyFolder() {
  return { leaves: [], folders: new Map() }
}

/**
 * @param {MemoryFile} file
 * @param {Map<string, Buffer>} blobs receives the file's bytes
 * @returns {Omit<TreeEntry, 'path'>}
 */
function leaf(file, blobs) {
  if (typeof file === 'string' || Buffer.isBuffer(file)) file = { content: file }
  if ('submodule' in file) {
    if (!/^[0-9a-f]{40}$/.test(file.submodule)) throw new TypeError('a submodule is a full SHA-1')
    return { mode: '160000', type: 'commit', sha: file.submodule, size: null }
  }
  if ('link' in file) return blobLeaf('120000', file.link, blobs)
  return blobLeaf(file.mode ?? '100644', file.content, blobs)
}

/**
 * @param {TreeEntry['mode']} mode
 * @param {string | Buffer} content
 * @param {Map<string, Buffer>} blobs
 * @returns {Omit<TreeEntry, 'path'>}
 */
function blobLeaf(mode, content, blobs) {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const sha = objectSha('blob', bytes)
  blobs.set(sha, bytes)
  return { mode, type: 'blob', sha, size: bytes.length }
}

/**
 * @param {Folder} folder
 * @param {string} prefix path of the folder with a trailing slash, empty for the root
 * @returns {{ sha: string, entries: TreeEntry[] }}
 */
function listFolder(folder, prefix) {
  const rows = folder.leaves.map(({ name, ...rest }) => ({
    name,
    entries: [{ path: prefix + name, ...rest }],
  }))
  for (const [name, child] of folder.folders) {
    const path = prefix + name
    const { sha, entries } = listFolder(child, `${path}/`)
    rows.push({
      name,
      entries: [{ path, mode: '040000', type: 'tree', sha, size: null }, ...entries],
    })
  }
  // Git orders names by their bytes, a tree's name as though it ended in a slash.
  const keyed = rows.map((row) => {
    const slash = row.entries[0].type === 'tree' ? '/' : ''
    return { ...row, key: Buffer.from(row.name + slash) }
  })
  keyed.sort((a, b) => Buffer.compare(a.key, b.key))

  const parts = keyed.flatMap(({ name, entries: [{ mode, sha }] }) => [
    // Tree objects spell the mode of a tree '40000', listings '040000'.
    Buffer.from(`${mode.replace(/^0/, '')} ${name}\0`),
    Buffer.from(sha, 'hex'),
  ])
  return {
    sha: objectSha('tree', Buffer.concat(parts)),
    entries: keyed.flatMap((row) => row.entries),
  }
}

/**
 * @param {'blob' | 'tree' | 'commit'} type
 * @param {Buffer} body
 */
function objectSha(type, body) {
  return createHash('sha1').update(`${type} ${body.length}\0`).update(body).digest('hex')
}

/**
 * Look-ups over a tree. Folders are keyed by their path with a trailing slash, so that the root
 * ('') and a folder of empty name ('/') stay apart.
 *
 * @param {TreeSource} source
 */
export function indexTree(source) {
  /** @type {Map<string, TreeEntry>} */
  const byPath = new Map()
  /** @type {Map<string, TreeEntry[]>} */
  const children = new Map([['', []]])
  const folderBySha = new Map([[source.tree, '']])
  /** @type {Set<string>} */
  const blobs = new Set()
  for (const entry of source.entries) {
    const { path, type, sha } = entry
    const folder = path.slice(0, path.lastIndexOf('/') + 1)
    const siblings = children.get(folder)
    if (siblings) siblings.push(entry)
    else children.set(folder, [entry])
    if (!byPath.has(path)) byPath.set(path, entry)
    if (type === 'blob') blobs.add(sha)
    if (type === 'tree' && !folderBySha.has(sha)) folderBySha.set(sha, `${path}/`)
  }
  return { byPath, children, folderBySha, blobs }
}
