// @ts-check
// The caches that bench/cache.mjs compares with. All have `init`, `get`, `set` and `getOrFetch`.
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import path from 'node:path'
import { peer } from './peer.mjs'

const { LRUCache } = await peer('lru-cache')
const { default: cacache } = await peer('cacache')

/** What one writes without a library: a Map, and a JSON file for each entry. */
export class PlainCache {
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

/** The two packages that one would put together: lru-cache over npm's cacache. Keys need no digest. */
export class LibraryCache {
  /** @param {string} folder */
  constructor(folder, ttl = 300_000) {
    this.folder = folder
    this.ttl = ttl
    this.memory = new LRUCache({
      max: 1_000,
      ttl,
      fetchMethod: (/** @type {string} */ key, /** @type {any} */ _, /** @type {any} */ options) =>
        this.#load(key, options.context),
    })
  }

  async init() {
    await fs.mkdir(this.folder, { recursive: true })
  }

  /** @param {string} url @param {object} [headers] */
  key(url, headers) {
    return headers === undefined ? url : url + JSON.stringify(headers)
  }

  /** @param {string} url @param {object} [headers] */
  async get(url, headers) {
    const key = this.key(url, headers)
    const held = this.memory.get(key)
    return held === undefined ? ((await this.memory.fetch(key)) ?? null) : held
  }

  /** @param {string} url @param {any} data @param {object} [headers] */
  async set(url, data, headers) {
    const key = this.key(url, headers)
    this.memory.set(key, data)
    await this.#write(key, data)
  }

  /** @param {string} url @param {() => Promise<any>} fetch @param {object} [headers] */
  async getOrFetch(url, fetch, headers) {
    return this.memory.fetch(this.key(url, headers), { context: fetch })
  }

  /** @param {string} key @param {(() => Promise<any>) | undefined} fetch */
  async #load(key, fetch) {
    try {
      const { data, metadata } = await cacache.get(this.folder, key)
      if (Date.now() - metadata.timestamp < this.ttl) return JSON.parse(data.toString())
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'ENOENT') throw error
    }
    const data = await fetch?.()
    if (data !== undefined) await this.#write(key, data)
    return data
  }

  /** @param {string} key @param {any} data */
  async #write(key, data) {
    const metadata = { timestamp: Date.now() }
    await cacache.put(this.folder, key, JSON.stringify(data), { metadata })
  }
}
