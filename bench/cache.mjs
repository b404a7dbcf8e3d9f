// @ts-check
// The cache in turns with two others, and the floors below it: node bench/cache.mjs [rounds]
import { execFileSync } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { cacheOptions } from '../lib/cache-system/cache-options.js'
import { GitHubAPICache } from '../lib/index.js'
import native from '../lib/internal/native.js'
import { settler } from '../lib/internal/settle.js'
import { LibraryCache, PlainCache } from './cache-peers.mjs'

const ROUNDS = Number(process.argv[2] ?? 15)
const HEADERS = { 'User-Agent': 'aiwf', Accept: 'application/vnd.github+json' }

/** @typedef {PlainCache | LibraryCache | GitHubAPICache} Cache */
/** @typedef {{ count: number, run: () => Promise<unknown> }} Prepared what is timed, and how many operations that is */

const url = (/** @type {number} */ index) =>
  `https://api.github.com/repos/moonklabs/aiwf/contents/path-${index}`
const body = (/** @type {number} */ index) => ({
  name: `path-${index}`,
  entries: Array.from({ length: 12 }, (_, n) => ({
    path: `${index}/${n}`,
    type: 'file',
    sha: String(index * 31 + n).padStart(40, '0'),
  })),
})

/** @param {number} count @param {(index: number) => Promise<unknown>} work @returns {Prepared} */
const oneByOne = (count, work) => ({
  count,
  run: async () => {
    for (let index = 0; index < count; index++) await work(index)
  },
})

/** @param {number} count @param {(index: number) => Promise<unknown>} work @returns {Prepared} */
const atOnce = (count, work) => ({
  count,
  run: () => Promise.all(Array.from({ length: count }, (_, index) => work(index))),
})

/** @param {Cache} cache @param {number} count */
const fill = (cache, count) => atOnce(count, (index) => cache.set(url(index), body(index))).run()

/**
 * Each case prepares fresh caches on one folder.
 *
 * @type {Record<string, (open: () => Promise<Cache>) => Promise<Prepared>>}
 */
const cases = {
  'memory hit': async (open) => {
    const cache = await open()
    await cache.set(url(1), body(1))
    return oneByOne(20_000, () => cache.get(url(1)))
  },
  'memory hit, 2 headers': async (open) => {
    const cache = await open()
    await cache.set(url(1), body(1), HEADERS)
    return oneByOne(20_000, () => cache.get(url(1), HEADERS))
  },
  'disk hit, one by one': async (open) => {
    await fill(await open(), 300)
    const cache = await open()
    await cache.get(url(299))
    return oneByOne(299, (index) => cache.get(url(index)))
  },
  'disk hit, 200 at once': async (open) => {
    await fill(await open(), 201)
    const cache = await open()
    await cache.get(url(200))
    return atOnce(200, (index) => cache.get(url(index)))
  },
  'disk miss, one by one': async (open) => {
    const cache = await open()
    await fill(cache, 10)
    // The folder comes to rest: what changed in the last moments is looked at again.
    await new Promise((resolve) => setTimeout(resolve, 100))
    await cache.get(url(1_000))
    return oneByOne(300, (index) => cache.get(url(2_000 + index)))
  },
  'set, one by one': async (open) => {
    const cache = await open()
    await fill(cache, 1)
    return oneByOne(300, (index) => cache.set(url(index), body(index)))
  },
  'set, 200 at once': async (open) => {
    const cache = await open()
    await fill(cache, 1)
    return atOnce(200, (index) => cache.set(url(index), body(index)))
  },
  'getOrFetch, 1,000 share one': async (open) => {
    const cache = await open()
    await fill(cache, 2)
    return atOnce(1_000, () => cache.getOrFetch(url(5), async () => body(5)))
  },
}

/**
 * What no cache behind a promise and Node-API can undercut.
 *
 * @type {Record<string, (folder: string) => Promise<Prepared>>}
 */
const floors = {
  'await an async method that does nothing': async () => {
    const floor = { async get() {} }
    return oneByOne(20_000, () => floor.get())
  },
  'and asks Date.now()': async () => {
    const floor = { get: async () => Date.now() }
    return oneByOne(20_000, () => floor.get())
  },
  'and calls a bare Node-API function of three numbers': async () => {
    const { rules } = cacheOptions({})
    const hit = new native.NativeCache(settler, os.tmpdir(), rules).hit()
    const floor = { get: async () => hit(0, Date.now(), 1) }
    return oneByOne(20_000, () => floor.get())
  },
  'JSON.parse of the value': async () => {
    const text = JSON.stringify(body(1))
    return oneByOne(2_000, async () => JSON.parse(text))
  },
  'SHA-256 of the request': async () => {
    const cache = new GitHubAPICache()
    return oneByOne(2_000, async () => cache.generateCacheKey(url(1), HEADERS))
  },
  'another thread and back (fs.promises.stat)': async (folder) =>
    oneByOne(300, () => fs.stat(folder)),
}

/** Wall time, and that of the processor on all threads: µs an operation. @param {Prepared} prepared */
async function time({ count, run }) {
  const [wall, cpu] = [performance.now(), process.cpuUsage()]
  await run()
  const { user, system } = process.cpuUsage(cpu)
  return { wall: ((performance.now() - wall) * 1_000) / count, cpu: (user + system) / count }
}

/** @param {number[]} list */
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1]

/**
 * The medians of every contender, who take turns. The first round warms up.
 *
 * @param {(() => Promise<Prepared>)[]} contenders
 */
async function compare(contenders) {
  const times = contenders.map(() => /** @type {{ wall: number, cpu: number }[]} */ ([]))
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, prepare] of contenders.entries()) {
      const one = await time(await prepare())
      if (round > 0) times[index].push(one)
    }
  }
  return times.map((list) => ({
    wall: median(list.map(({ wall }) => wall)),
    cpu: median(list.map(({ cpu }) => cpu)),
  }))
}

/** @param {string} name @param {string[]} cells */
const row = (name, ...cells) =>
  console.log(name.padEnd(52) + cells.map((cell) => cell.padStart(12)).join(''))

const root = await fs.mkdtemp(path.join(os.tmpdir(), 'cache-bench-'))
const kinds = [PlainCache, LibraryCache, GitHubAPICache]

console.log(`µs an operation, median of ${ROUNDS} rounds; ratios of wall time, and of CPU time`)
row('', 'plain', 'libraries', 'ours', '÷ plain', '÷ libraries', 'CPU', 'CPU')
for (const [name, prepare] of Object.entries(cases)) {
  const contenders = kinds.map((Kind) => async () => {
    const folder = await fs.mkdtemp(path.join(root, Kind.name))
    return prepare(async () => {
      const cache = new Kind(folder)
      await cache.init()
      return cache
    })
  })
  const [plain, libraries, ours] = await compare(contenders)
  const wall = [plain, libraries, ours].map((time) => time.wall.toFixed(2))
  const ratio = (/** @type {number} */ theirs, /** @type {number} */ own) =>
    `${(theirs / own).toFixed(1)}x`
  const ratios = [plain, libraries].map(({ wall }) => ratio(wall, ours.wall))
  row(name, ...wall, ...ratios, ...[plain, libraries].map(({ cpu }) => ratio(cpu, ours.cpu)))
}

row('\nfloors')
for (const [name, prepare] of Object.entries(floors)) {
  const [floor] = await compare([() => prepare(root)])
  row(name, '', '', floor.wall.toFixed(2))
}
await fs.rm(root, { recursive: true })

row('\nthe engine without JavaScript')
const build = ['build', '--release', '--locked', '--example', 'cache_engine']
const crate = path.join(import.meta.dirname, '..')
execFileSync('cargo', [...build, '--quiet'], { cwd: crate, stdio: 'inherit' })
const lines = execFileSync(path.join(crate, 'target/release/examples/cache_engine'), {
  encoding: 'utf8',
})
for (const [name, time] of lines
  .trim()
  .split('\n')
  .map((line) => line.split('\t'))) {
  row(name, '', '', time)
}
