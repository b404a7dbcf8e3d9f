// @ts-check

// Files, side by side: this package, the reference's way, Node's own best, the peers, and plain Rust as the floor, in
// turns and in fresh folders (reusing inodes just freed is slow on some file systems). Build with `npm run build` first;
// `node bench/files.mjs [rounds] [folder]`. Times are microseconds an operation; CPU is that of the whole process.

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { FileBatchProcessor, FileUtils } from '../lib/file-batch-processor.js'
import * as reference from './files/reference-way.mjs'
import { race } from './files/turns.mjs'
import { peer } from './peer.mjs'

const graceful = (await peer('graceful-fs')).default
const { default: extra } = await peer('fs-extra')
const { default: writeFileAtomic } = await peer('write-file-atomic')
const gracefulRead = promisify(graceful.readFile)
const gracefulWrite = promisify(graceful.writeFile)

const rounds = Number(process.argv[2] ?? 7)
const root = await fs.mkdtemp(path.join(process.argv[3] ?? os.tmpdir(), 'aiwf-bench-'))
const content = 'x'.repeat(4096)
const processor = new FileBatchProcessor()
const floorBinary = path.join(root, 'floor')
const floorSource = path.join(import.meta.dirname, '../examples/files_floor.rs')
execFileSync('rustc', ['-O', '--edition', '2024', floorSource, '-o', floorBinary])

const inPlace = { atomic: false }
const recursive = { recursive: true }
const asBytes = /** @type {const} */ ({ encoding: 'buffer' })
const noSync = { fsync: false }

/**
 * Files 0 to count - 1 in a folder of the bench.
 *
 * @param {string} name
 * @param {number} count
 * @param {string | Buffer} text
 */
function make(name, count, text) {
  const source = path.join(root, name)
  mkdirSync(source)
  const files = Array.from({ length: count }, (_, index) => path.join(source, `${index}`))
  for (const file of files) writeFileSync(file, text)
  return { source, files }
}

/** All at once. */
const all =
  (/** @type {string[]} */ files, /** @type {(from: string, to: string) => unknown} */ act) =>
  async (/** @type {string} */ dir) => {
    await Promise.all(files.map((from, index) => act(from, path.join(dir, `${index}`))))
  }

/** One after the other, holding up the event loop. */
const loop =
  (/** @type {string[]} */ files, /** @type {(from: string, to: string) => unknown} */ act) =>
  (/** @type {string} */ dir) => {
    // Kept, as those of the others are.
    void files.map((from, index) => act(from, path.join(dir, `${index}`)))
  }

/**
 * Plain Rust on so many threads.
 *
 * @param {{ source: string, files: string[] }} made
 * @param {string} operation
 */
const floor = (made, operation, threads = 2) => {
  const before = [operation, `${threads}`, made.source]
  return (/** @type {string} */ dir) =>
    Number(execFileSync(floorBinary, [...before, dir, `${made.files.length}`]))
}

const deep = (/** @type {string} */ to) => {
  const index = Number(path.basename(to))
  return path.join(path.dirname(to), `${index % 10}/${index % 100}/${index}`)
}

async function smallFiles() {
  const made = make('small', 2000, content)
  const { files } = made
  const common = { count: files.length, root, rounds }
  await race({
    ...common,
    name: 'read',
    contenders: {
      ours: all(files, (from) => processor.addReadOperation(from)),
      'ours, bytes': all(files, (from) => processor.addReadOperation(from, asBytes)),
      'ours, FileUtils': () => FileUtils.readMultipleFiles(files, processor),
      'reference, one by one': () => reference.readMultipleFiles(files),
      'reference, at once': all(files, (from) => reference.read(from)),
      'fs/promises': all(files, (from) => fs.readFile(from, 'utf8')),
      'graceful-fs': all(files, (from) => gracefulRead(from, 'utf8')),
      'sync loop': loop(files, (from) => readFileSync(from, 'utf8')),
      'plain Rust': floor(made, 'read'),
    },
  })
  const writers = {
    ours: all(files, (_, to) => processor.addWriteOperation(to, content)),
    'ours, in place': all(files, (_, to) => processor.addWriteOperation(to, content, inPlace)),
    reference: all(files, (_, to) => reference.write(to, content)),
    'fs/promises': all(files, (_, to) => fs.writeFile(to, content)),
    'graceful-fs': all(files, (_, to) => gracefulWrite(to, content)),
    'write-file-atomic': all(files, (_, to) => writeFileAtomic(to, content, noSync)),
    'sync loop': loop(files, (_, to) => writeFileSync(to, content)),
  }
  const plainWrites = { 'plain Rust': floor(made, 'write new') }
  await race({ ...common, name: 'write new', contenders: { ...writers, ...plainWrites } })
  const prepare = loop(files, (_, to) => writeFileSync(to, content))
  await race({ ...common, name: 'overwrite', prepare, contenders: writers })
  await race({
    ...common,
    name: 'copy',
    contenders: {
      ours: all(files, (from, to) => processor.addCopyOperation(from, to)),
      'ours, in place': all(files, (from, to) => processor.addCopyOperation(from, to, inPlace)),
      reference: all(files, (from, to) => reference.copy(from, to)),
      'fs/promises': all(files, (from, to) => fs.copyFile(from, to)),
      'fs-extra': all(files, (from, to) => extra.copy(from, to)),
      'sync loop': loop(files, (from, to) => copyFileSync(from, to)),
      'plain Rust': floor(made, 'copy'),
    },
  })
  await race({
    ...common,
    name: 'mkdir -p',
    contenders: {
      ours: all(files, (_, to) => processor.addMkdirOperation(deep(to))),
      reference: all(files, (_, to) => reference.mkdir(deep(to))),
      'fs/promises': all(files, (_, to) => fs.mkdir(deep(to), recursive)),
      'fs-extra': all(files, (_, to) => extra.mkdirs(deep(to))),
      'sync loop': loop(files, (_, to) => mkdirSync(deep(to), recursive)),
      'plain Rust': floor(made, 'mkdir -p'),
    },
  })
}

async function largeFiles() {
  const made = make('large', 20, Buffer.alloc(64 << 20, content))
  const { files } = made
  const common = { count: files.length, root, rounds: Math.min(rounds, 5), clears: true }
  await race({
    ...common,
    name: 'read 64 MiB',
    contenders: {
      ours: all(files, (from) => processor.addReadOperation(from, asBytes)),
      'fs/promises': all(files, (from) => fs.readFile(from)),
      'graceful-fs': all(files, (from) => gracefulRead(from)),
      'sync loop': loop(files, (from) => readFileSync(from)),
      'plain Rust': floor(made, 'read'),
    },
  })
  await race({
    ...common,
    name: 'copy 64 MiB',
    contenders: {
      ours: all(files, (from, to) => processor.addCopyOperation(from, to)),
      reference: all(files, (from, to) => reference.copy(from, to)),
      'fs/promises': all(files, (from, to) => fs.copyFile(from, to)),
      'fs-extra': all(files, (from, to) => extra.copy(from, to)),
      'sync loop': loop(files, (from, to) => copyFileSync(from, to)),
      'plain Rust': floor(made, 'copy'),
    },
  })
  await fs.rm(made.source, recursive)
}

/** Reads of what the system no longer holds in memory. */
async function coldFiles() {
  const made = make('cold', 500, content)
  const { files } = made
  const prepare = () => {
    execFileSync('sync', ['-f', made.source])
    // dd has the file's pages dropped (posix_fadvise(2)); count=0 reads none.
    const drop = 'for file in "$0"/*; do dd if="$file" iflag=nocache count=0 status=none; done'
    execFileSync('sh', ['-c', drop, made.source])
  }
  await race({
    name: 'read, cold',
    count: files.length,
    root,
    rounds: Math.min(rounds, 5),
    prepare,
    contenders: {
      ours: all(files, (from) => processor.addReadOperation(from)),
      'fs/promises': all(files, (from) => fs.readFile(from, 'utf8')),
      'graceful-fs': all(files, (from) => gracefulRead(from, 'utf8')),
      'sync loop': loop(files, (from) => readFileSync(from, 'utf8')),
      'plain Rust, 8': floor(made, 'read', 8),
      'plain Rust, 1': floor(made, 'read', 1),
    },
  })
}

/** Prints how long the event loop stood still during some work, and V8's collector had its share. */
async function watchLoop(/** @type {string} */ name, /** @type {() => Promise<unknown>} */ work) {
  /** @type {number[]} */
  const collections = []
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collections.push(duration)
  })
  observer.observe({ entryTypes: ['gc'] })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await work()
  delay.disable()
  await sleep(10)
  observer.disconnect()
  const [median, p99, most, collecting] = [
    delay.percentile(50) / 1e6,
    delay.percentile(99) / 1e6,
    delay.max / 1e6,
    Math.max(0, ...collections),
  ].map((milliseconds) => milliseconds.toFixed(1))
  console.log(
    `${name.padEnd(20)} loop delay ms: median ${median}, p99 ${p99}, at most ${most}; longest collection ${collecting}`,
  )
}

/** How long the event loop stands still, and what is open meanwhile. */
async function manyFiles() {
  const { files } = make('many', 100_000, 'a small file')
  const byReference = async () => {
    for (let from = 0; from < files.length; from += 2000) {
      await Promise.all(files.slice(from, from + 2000).map(reference.read))
    }
  }
  for (let round = 0; round < 3; round++) {
    await watchLoop('nothing', () => sleep(1000))
    await watchLoop('ours, one call', () => FileUtils.readMultipleFiles(files, processor))
    await watchLoop('reference, by 2,000', byReference)
  }
  const open = () => readdirSync('/proc/self/fd').length
  const target = await fs.mkdtemp(path.join(root, 'copies-'))
  const before = open()
  let most = 0
  let done = false
  const sample = () => {
    most = Math.max(most, open() - before)
    if (!done) setImmediate(sample)
  }
  sample()
  await all(files.slice(0, 10_000), (from, to) => processor.addCopyOperation(from, to))(target)
  done = true
  console.log(`10,000 copies at once: at most ${most} more descriptors`)
}

console.log(`${os.cpus().length} cores, Node ${process.versions.node}, median of ${rounds} rounds`)
console.log(`${''.padEnd(37)}${'µs'.padStart(11)} ${'CPU µs'.padStart(10)}   of ours`)
const only = process.argv[4]
const parts = { smallFiles, largeFiles, coldFiles, manyFiles }
for (const [name, part] of Object.entries(parts)) if (!only || only === name) await part()
await fs.rm(root, recursive)
