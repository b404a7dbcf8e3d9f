// @ts-check

// Files, side by side: this package, its peers all at once, and a synchronous loop, taken in turns in fresh folders
// (reusing inodes just freed is slow on some file systems). Build with `npm run build` first.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { FileBatchProcessor } from '../lib/file-batch-processor.js'
import { peer } from './peer.mjs'

const graceful = (await peer('graceful-fs')).default
const { default: extra } = await peer('fs-extra')
const { default: writeFileAtomic } = await peer('write-file-atomic')
const gracefulRead = promisify(graceful.readFile)
const gracefulWrite = promisify(graceful.writeFile)

const COUNT = 2000
const ROUNDS = Number(process.argv[2] ?? 7)
const content = 'x'.repeat(4096)
const processor = new FileBatchProcessor()
const root = await fs.mkdtemp(path.join(process.argv[3] ?? os.tmpdir(), 'aiwf-bench-'))
const source = path.join(root, 'source')
await fs.mkdir(source)
const numbers = Array.from({ length: COUNT }, (_, index) => index)
for (const index of numbers) writeFileSync(path.join(source, `${index}`), content)

/** @typedef {(index: number, dir: string) => unknown} Act */
const from = (/** @type {number} */ index) => path.join(source, `${index}`)
const to = (/** @type {number} */ index, /** @type {string} */ dir) => path.join(dir, `${index}`)
const deep = (/** @type {number} */ index, /** @type {string} */ dir) =>
  path.join(dir, `${index % 10}/${index % 100}/${index}`)
const recursive = { recursive: true }
const inPlace = { atomic: false }
const asBytes = /** @type {const} */ ({ encoding: 'buffer' })
const noSync = { fsync: false }

/** Each row: its name, and what one operation is for each contender; the synchronous one comes last. */
/** @type {[name: string, contenders: Record<string, Act>, sync: Act, prepare?: Act][]} */
const rows = [
  [
    'read',
    {
      ours: (index) => processor.addReadOperation(from(index)),
      'ours, bytes': (index) => processor.addReadOperation(from(index), asBytes),
      'fs/promises': (index) => fs.readFile(from(index), 'utf8'),
      'graceful-fs': (index) => gracefulRead(from(index), 'utf8'),
    },
    (index) => readFileSync(from(index), 'utf8'),
  ],
  [
    'write new',
    {
      ours: (index, dir) => processor.addWriteOperation(to(index, dir), content),
      'ours, in place': (index, dir) =>
        processor.addWriteOperation(to(index, dir), content, inPlace),
      'fs/promises': (index, dir) => fs.writeFile(to(index, dir), content),
      'graceful-fs': (index, dir) => gracefulWrite(to(index, dir), content),
      'write-file-atomic': (index, dir) => writeFileAtomic(to(index, dir), content, noSync),
    },
    (index, dir) => writeFileSync(to(index, dir), content),
  ],
  [
    'overwrite',
    {
      ours: (index, dir) => processor.addWriteOperation(to(index, dir), content),
      'ours, in place': (index, dir) =>
        processor.addWriteOperation(to(index, dir), content, inPlace),
      'fs/promises': (index, dir) => fs.writeFile(to(index, dir), content),
      'graceful-fs': (index, dir) => gracefulWrite(to(index, dir), content),
      'write-file-atomic': (index, dir) => writeFileAtomic(to(index, dir), content, noSync),
    },
    (index, dir) => writeFileSync(to(index, dir), content),
    (index, dir) => writeFileSync(to(index, dir), content),
  ],
  [
    'copy',
    {
      ours: (index, dir) => processor.addCopyOperation(from(index), to(index, dir)),
      'ours, in place': (index, dir) =>
        processor.addCopyOperation(from(index), to(index, dir), inPlace),
      'fs/promises': (index, dir) => fs.copyFile(from(index), to(index, dir)),
      'fs-extra': (index, dir) => extra.copy(from(index), to(index, dir)),
    },
    (index, dir) => copyFileSync(from(index), to(index, dir)),
  ],
  [
    'mkdir -p',
    {
      ours: (index, dir) => processor.addMkdirOperation(deep(index, dir)),
      'fs/promises': (index, dir) => fs.mkdir(deep(index, dir), recursive),
      'fs-extra': (index, dir) => extra.mkdirs(deep(index, dir)),
    },
    (index, dir) => mkdirSync(deep(index, dir), recursive),
  ],
]

/** Microseconds an operation. */
async function measure(
  /** @type {Act} */ act,
  /** @type {Act | undefined} */ prepare,
  waits = true,
) {
  const dir = await fs.mkdtemp(path.join(root, 'round-'))
  if (prepare) for (const index of numbers) prepare(index, dir)
  const began = performance.now()
  if (waits) await Promise.all(numbers.map((index) => act(index, dir)))
  else for (const index of numbers) act(index, dir)
  return ((performance.now() - began) * 1000) / COUNT
}

const median = (/** @type {number[]} */ values) =>
  values.toSorted((a, b) => a - b)[values.length >> 1]

console.log(
  `${COUNT} files of ${content.length} bytes, median of ${ROUNDS} rounds, µs an operation`,
)
for (const [name, contenders, sync, prepare] of rows) {
  /** @type {Map<string, number[]>} */
  const times = new Map()
  for (let round = -1; round < ROUNDS; round++) {
    const entries = [...Object.entries(contenders), /** @type {const} */ (['sync loop', sync])]
    for (let turn = 0; turn < entries.length; turn++) {
      const [contender, act] = entries[(turn + round + entries.length) % entries.length]
      const time = await measure(act, prepare, act !== sync)
      // The first round warms up.
      if (round >= 0) times.set(contender, [...(times.get(contender) ?? []), time])
    }
  }
  const ours = median(times.get('ours') ?? [])
  for (const [contender, values] of times) {
    const time = median(values)
    const ratio = contender === 'ours' ? '' : `${(time / ours).toFixed(2)}x of ours`
    console.log(name.padEnd(10), contender.padEnd(17), time.toFixed(1).padStart(7), ratio)
  }
}
await fs.rm(root, { recursive: true })
