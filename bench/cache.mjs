// @ts-check
// The cache against a plain one (a Map and a JSON file for each entry) in turns: node bench/cache.mjs
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { GitHubAPICache } from '../lib/index.js'

const ROUNDS = 7
const HEADERS = { 'User-Agent': 'aiwf', Accept: 'application/vnd.github+json' }

/** The baseline: what one writes without a library. */
class PlainCache {
  /** @param {string} folder */
  constructor(folder, ttl = 300_000) {
    this.folder = folder
    this.ttl = ttl
    /** @type {Map<string, { data: any, timestamp: number }>} */
    this.memory = new Map()
    /** @type {Map<string, Promise<any>>} */
    this.pending = new Map()
  }

  async init() {
    await fs.mkdir(this.folder, { recursive: true })
  }

  /** @param {string} url @param {object} headers */
  key(url, headers) {
    return createHash('sha256').update(JSON.stringify({ url, headers })).digest('hex')
  }

  /** @param {string} key */
  file(key) {
    return path.join(this.folder, `${key}.json`)
  }

  /** @param {string} url @param {object} [headers] */
  async get(url, headers = {}) {
    const key = this.key(url, headers)
    let entry = this.memory.get(key)
    if (!entry) {
      try {
        entry = JSON.parse(await fs.readFile(this.file(key), 'utf8'))
      } catch {
        return null
      }
      if (entry) this.memory.set(key, entry)
    }
    return entry && Date.now() - entry.timestamp < this.ttl ? entry.data : null
  }

  /** @param {string} url @param {any} data @param {object} [headers] */
  async set(url, data, headers = {}) {
    const key = this.key(url, headers)
    const entry = { data, timestamp: Date.now() }
    this.memory.set(key, entry)
    await fs.writeFile(this.file(key), JSON.stringify(entry, null, 2))
  }

  /** @param {string} url @param {() => Promise<any>} fetch @param {object} [headers] */
  async getOrFetch(url, fetch, headers = {}) {
    const key = this.key(url, headers)
    const cached = await this.get(url, headers)
    if (cached) return cached
    const pending = this.pending.get(key)
    if (pending) return pending
    const request = fetch().then(async (data) => {
      await this.set(url, data, headers)
      this.pending.delete(key)
      return data
    })
    this.pending.set(key, request)
    return request
  }
}

/** @typedef {PlainCache | GitHubAPICache} Cache */

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

/**
 * Each case: prepares a fresh cache, and returns what is timed and how many operations that is.
 *
 * @type {Record<string, (open: () => Promise<Cache>) => Promise<{ count: number, run: () => Promise<void> }>>}
 */
const cases = {
  'memory hit': async (open) => {
    const cache = await open()
    await cache.set(url(1), body(1))
    return {
      count: 20_000,
      run: async () => {
        for (let i = 0; i < 20_000; i++) await cache.get(url(1))
      },
    }
  },
  'memory hit, 2 headers': async (open) => {
    const cache = await open()
    await cache.set(url(1), body(1), HEADERS)
    return {
      count: 20_000,
      run: async () => {
        for (let i = 0; i < 20_000; i++) await cache.get(url(1), HEADERS)
      },
    }
  },
  'disk hit, one by one': async (open) => {
    await fill(await open(), 300)
    const cache = await open()
    await cache.get(url(0))
    return {
      count: 299,
      run: async () => {
        for (let i = 1; i < 300; i++) await cache.get(url(i))
      },
    }
  },
  'disk hit, 200 at once': async (open) => {
    await fill(await open(), 201)
    const cache = await open()
    await cache.get(url(200))
    return { count: 200, run: () => all(200, (i) => cache.get(url(i))) }
  },
  'disk miss, one by one': async (open) => {
    const cache = await open()
    await cache.set('present', 1)
    return {
      count: 300,
      run: async () => {
        for (let i = 0; i < 300; i++) await cache.get(url(i))
      },
    }
  },
  'set, one by one': async (open) => {
    const cache = await open()
    await cache.set('present', 1)
    return {
      count: 300,
      run: async () => {
        for (let i = 0; i < 300; i++) await cache.set(url(i), body(i))
      },
    }
  },
  'set, 200 at once': async (open) => {
    const cache = await open()
    await cache.set('present', 1)
    return { count: 200, run: () => all(200, (i) => cache.set(url(i), body(i))) }
  },
  'getOrFetch, 1,000 share one': async (open) => {
    const cache = await open()
    await cache.set('present', 1)
    const fetch = async () => body(1)
    return { count: 1_000, run: () => all(1_000, () => cache.getOrFetch(url(1), fetch)) }
  },
}

/** @param {Cache} cache @param {number} count */
const fill = (cache, count) => all(count, (i) => cache.set(url(i), body(i)))

/** @param {number} count @param {(index: number) => Promise<unknown>} work */
async function all(count, work) {
  await Promise.all(Array.from({ length: count }, (_, index) => work(index)))
}

const root = await fs.mkdtemp(path.join(os.tmpdir(), 'cache-bench-'))
const kinds = { plain: PlainCache, native: GitHubAPICache }
console.log('µs an operation, median of rounds'.padEnd(34), 'plain', '  native', '  ratio')
for (const [name, prepare] of Object.entries(cases)) {
  /** @type {Record<string, number[]>} */
  const times = { plain: [], native: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [kind, Kind] of Object.entries(kinds)) {
      const folder = await fs.mkdtemp(path.join(root, kind))
      const { count, run } = await prepare(async () => {
        const cache = new Kind(folder)
        await cache.init()
        return cache
      })
      const start = performance.now()
      await run()
      // The first round warms up.
      if (round > 0) times[kind].push(((performance.now() - start) * 1_000) / count)
    }
  }
  const [plain, native] = Object.values(times).map(
    (list) => list.sort((a, b) => a - b)[list.length >> 1],
  )
  console.log(
    name.padEnd(34),
    plain.toFixed(2).padStart(6),
    native.toFixed(2).padStart(7),
    `${(plain / native).toFixed(1)}x`.padStart(7),
  )
}
await fs.rm(root, { recursive: true })
