// @ts-check
'use strict'

const path = require('node:path')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const { promised, settler } = require('../internal/settle.js')
const { MemoryView } = require('./memory-view.js')

/** @import * as types from '../cache-system.js' */
/** @import { StoredEntry, DiskExtent } from '../../binding.js' */

/** What a value that has no JSON counts for in memory, in bytes. */
const SIZE_WITHOUT_JSON = 1024

/** @implements {types.GitHubAPICache} */
class GitHubAPICache {
  #native
  #probe
  /** The values in memory, by slot. @type {unknown[]} */
  #values = []
  #cacheDir
  #ttl
  /** Reads of the disk under way, by key. @type {Map<string, Promise<Found | undefined>>} */
  #reads = new Map()
  /** Shared requests that were a hit. @type {WeakMap<Promise<unknown>, Found>} */
  #servedFromCache = new WeakMap()
  #diskHits = 0
  /** Keys that are being fetched in the background. @type {Set<string>} */
  #refreshes = new Set()
  #staleWhileRevalidate
  #staleIfError
  #warnedOfDisk = false

  /**
   * @param {string} [cacheDir]
   * @param {number} [ttl]
   * @param {types.CacheOptions} [options]
   */
  constructor(cacheDir = '.aiwf/cache', ttl = 300_000, options = {}) {
    this.#cacheDir = args.string('cacheDir', cacheDir)
    this.#ttl = lifetime('ttl', ttl)
    args.object('options', options)
    const { maxEntries, maxMemoryBytes, maxDiskBytes } = options
    const { staleWhileRevalidate, staleIfError } = options
    this.#staleWhileRevalidate = lifetime('options.staleWhileRevalidate', staleWhileRevalidate || 0)
    this.#staleIfError = lifetime('options.staleIfError', staleIfError || 0)
    this.#native = new native.NativeCache(
      settler,
      path.resolve(cacheDir),
      args.integer('options.maxEntries', maxEntries || 1_000, 1),
      args.number('options.maxMemoryBytes', maxMemoryBytes || 64 * 2 ** 20, 1),
      args.number('options.maxDiskBytes', maxDiskBytes || 256 * 2 ** 20, 1),
    )
    this.#probe = this.#native.probe()
    this.stats = { hits: 0, misses: 0, requests: 0 }
    /** @type {Map<string, Promise<any>>} */
    this.pendingRequests = new Map()
    this.memoryCache = new MemoryView({
      size: () => this.#native.size,
      keys: () => this.#native.keys(),
      get: (key) => this.#held(key),
      set: (key, { data, timestamp, ttl }) => {
        this.#hold(undefined, key, data, timestamp, ttl, sizeOf(data))
      },
      delete: (key) => this.#forget(this.#native.forget(key)),
      clear: () => this.#forget(this.#native.forgetAll()),
    })
  }

  get cacheDir() {
    return this.#cacheDir
  }

  set cacheDir(value) {
    this.#cacheDir = args.string('cacheDir', value)
    this.#warnedOfDisk = false
    this.#native.useFolder(settler, path.resolve(value))
  }

  get ttl() {
    return this.#ttl
  }

  set ttl(value) {
    this.#ttl = lifetime('ttl', value)
  }

  async init() {
    try {
      await promised((ticket) => this.#native.init(ticket))
    } catch (error) {
      this.#warnOfDisk('The cache works in memory only', error)
    }
  }

  /**
   * @param {string} url
   * @param {object} [headers]
   */
  generateCacheKey(url, headers = {}) {
    return native.cacheKey(JSON.stringify({ url, headers }))
  }

  /**
   * @param {string} url
   * @param {object} [headers]
   * @returns {Promise<any>}
   */
  async get(url, headers) {
    // The most frequent case, on its own because it is so short.
    if (headers === undefined && typeof url === 'string' && this.generateCacheKey === generateKey) {
      const slot = this.#probe(url, Date.now(), this.#ttl)
      if (slot !== -1) {
        this.stats.hits++
        return this.#values[slot]
      }
    }
    const request = this.#request(url, headers)
    const slot = headers === undefined ? -1 : this.#find(request)
    if (slot !== -1) {
      this.stats.hits++
      return this.#values[slot]
    }
    const found = await this.#lookUp(this.generateCacheKey(url, headers), request, 0)
    if (found) {
      this.#countHit(found)
      return found.data
    }
    this.stats.misses++
    return null
  }

  /**
   * @param {string} url
   * @param {unknown} data
   * @param {object} [headers]
   * @param {types.SetOptions} [options]
   */
  async set(url, data, headers, options = {}) {
    const ttl = options.ttl === undefined ? undefined : lifetime('options.ttl', options.ttl)
    await this.#store(this.generateCacheKey(url, headers), this.#request(url, headers), data, ttl)
  }

  /**
   * @template T
   * @param {string} url
   * @param {() => T | Promise<T>} fetchFunction
   * @param {object} [headers]
   * @param {types.SetOptions} [options]
   * @returns {Promise<T>}
   */
  async getOrFetch(url, fetchFunction, headers, options = {}) {
    args.callback('fetchFunction', fetchFunction)
    const ttl = options.ttl === undefined ? undefined : lifetime('options.ttl', options.ttl)
    this.stats.requests++
    const request = this.#request(url, headers)
    const slot = this.#find(request)
    if (slot !== -1) {
      this.stats.hits++
      return /** @type {T} */ (this.#values[slot])
    }
    const key = this.generateCacheKey(url, headers)
    let shared = this.pendingRequests.get(key)
    if (!shared) {
      shared = this.#lookUpOrFetch(key, request, fetchFunction, ttl)
      this.pendingRequests.set(key, shared)
    }
    try {
      return await shared
    } finally {
      const found = this.#servedFromCache.get(shared)
      if (found) this.#countHit(found)
      else this.stats.misses++
    }
  }

  get hitsByTier() {
    return { memory: this.stats.hits - this.#diskHits, disk: this.#diskHits }
  }

  getStats() {
    const { hits, misses, requests } = this.stats
    const lookUps = hits + misses
    return {
      hits,
      misses,
      requests,
      hitRate: lookUps > 0 ? `${((hits / lookUps) * 100).toFixed(2)}%` : '0%',
      memorySize: this.#native.size,
      cacheDir: this.#cacheDir,
    }
  }

  async cleanup() {
    const now = Date.now()
    const expiredMemoryKeys = this.#forget(this.#native.forgetExpired(now, this.#ttl))
    const removed = await this.#onDisk((ticket) => {
      this.#native.removeExpired(ticket, now, this.#ttl)
    })
    return {
      expiredMemoryKeys,
      expiredDiskEntries: removed?.entries ?? 0,
      freedBytes: removed?.bytes ?? 0,
      message: `Cleaned up ${expiredMemoryKeys} expired cache entries`,
    }
  }

  async clear() {
    this.#forget(this.#native.forgetAll())
    Object.assign(this.stats, { hits: 0, misses: 0, requests: 0 })
    this.#diskHits = 0
    await this.#onDisk((ticket) => this.#native.removeAll(ticket))
  }

  /**
   * @param {string} url
   * @param {object} [headers]
   */
  async delete(url, headers) {
    const key = this.generateCacheKey(url, headers)
    const held = this.#forget(this.#native.forget(key))
    const removed = await this.#onDisk((ticket) => this.#native.remove(ticket, key))
    return held || removed?.entries === 1
  }

  async verify() {
    const start = (/** @type {number} */ ticket) => this.#native.verify(ticket)
    const { entries, bytes } = await traced(/** @type {Promise<DiskExtent>} */ (promised(start)))
    return { damagedEntries: entries, damagedBytes: bytes }
  }

  async diskStats() {
    const start = (/** @type {number} */ ticket) => this.#native.extent(ticket)
    return traced(/** @type {Promise<DiskExtent>} */ (promised(start)))
  }

  /**
   * @param {string} key
   * @returns {any}
   */
  getFromMemory(key) {
    const slot = this.#native.find(key, Date.now(), this.#ttl, 0)
    if (slot === -1) return null
    this.stats.hits++
    return this.#values[slot]
  }

  /**
   * @param {string} key
   * @returns {Promise<any>}
   */
  async getFromDisk(key) {
    const found = await this.#read(key, undefined)
    if (!found) return null
    this.#countHit(found)
    return found.data
  }

  /**
   * @param {string} key
   * @param {unknown} data
   */
  async saveToCache(key, data) {
    await this.#store(args.string('key', key), undefined, data, undefined)
  }

  /** @param {Found} found */
  #countHit({ promoted }) {
    this.stats.hits++
    if (promoted) this.#diskHits++
  }

  /**
   * The text by which the memory tier finds a request without its key. A subclass that makes its own keys
   * decides itself which requests are the same: then there is none.
   *
   * @param {unknown} url
   * @param {object | undefined} headers
   * @returns {Request | undefined}
   */
  #request(url, headers) {
    if (this.generateCacheKey !== generateKey) return undefined
    if (typeof url === 'string' && (headers === undefined || isEmpty(headers))) {
      return { text: url, json: false }
    }
    return { text: JSON.stringify({ url, headers }), json: true }
  }

  /**
   * The slot of a fresh value, or -1.
   *
   * @param {Request | undefined} request
   */
  #find(request) {
    if (!request) return -1
    return request.json
      ? this.#probe(request.text, Date.now(), this.#ttl, true)
      : this.#probe(request.text, Date.now(), this.#ttl)
  }

  /**
   * A value that is fresh, or stale for less than `grace` ms.
   *
   * @param {string} key
   * @param {Request | undefined} request
   * @param {number} grace
   * @returns {Promise<Found | undefined>}
   */
  async #lookUp(key, request, grace) {
    const now = Date.now()
    const fresh = this.#native.find(key, now, this.#ttl, 0)
    if (fresh !== -1) return { data: this.#values[fresh], fresh: true }
    if (grace === 0) return this.#read(key, request)
    const stale = this.#native.find(key, now, this.#ttl, grace)
    if (stale !== -1) return { data: this.#values[stale], fresh: false }
    return this.#promote(key, request, grace)
  }

  /**
   * Reads an entry from the disk into memory, once for all who ask for it at the time.
   *
   * @param {string} key
   * @param {Request | undefined} request
   */
  #read(key, request) {
    let read = this.#reads.get(key)
    if (!read) {
      read = this.#promote(key, request, 0).finally(() => this.#reads.delete(key))
      this.#reads.set(key, read)
    }
    return read
  }

  /**
   * @param {string} key
   * @param {Request | undefined} request
   * @param {number} grace
   * @returns {Promise<Found | undefined>}
   */
  async #promote(key, request, grace) {
    const stored = /** @type {StoredEntry | null} */ (
      await promised((ticket) => this.#native.load(ticket, key, Date.now(), this.#ttl, grace))
    )
    if (!stored) return undefined
    const { text, timestamp, ttl, fresh } = stored
    const data = JSON.parse(text)
    this.#hold(request, key, data, timestamp, ttl, text.length)
    return { data, fresh, promoted: true }
  }

  /**
   * @param {string} key
   * @param {Request | undefined} request
   * @param {() => any} fetchFunction
   * @param {number | undefined} ttl
   */
  #lookUpOrFetch(key, request, fetchFunction, ttl) {
    const fetch = async () => {
      const data = await fetchFunction()
      await this.#store(key, request, data, ttl)
      return data
    }
    const work = async () => {
      const found = await this.#lookUp(key, request, this.#staleWhileRevalidate)
      if (!found) return this.#unlessDown(fetch, key, request)
      this.#servedFromCache.set(shared, found)
      if (!found.fresh) this.#refresh(key, fetch)
      return found.data
    }
    const shared = work().finally(() => this.pendingRequests.delete(key))
    return shared
  }

  /**
   * What `fetch` resolves to. When it fails, a value that is not stale for too long.
   *
   * @param {() => Promise<any>} fetch
   * @param {string} key
   * @param {Request | undefined} request
   */
  async #unlessDown(fetch, key, request) {
    try {
      return await fetch()
    } catch (error) {
      const stale = this.#staleIfError && (await this.#lookUp(key, request, this.#staleIfError))
      if (!stale) throw error
      return stale.data
    }
  }

  /**
   * Fetches in the background. A failure is not told: the stale value serves on until its time is up, and the
   * next failure then reaches the caller.
   *
   * @param {string} key
   * @param {() => Promise<any>} fetch
   */
  async #refresh(key, fetch) {
    if (this.#refreshes.has(key)) return
    this.#refreshes.add(key)
    try {
      await fetch()
    } catch {
    } finally {
      this.#refreshes.delete(key)
    }
  }

  /**
   * @param {string} key
   * @param {Request | undefined} request
   * @param {unknown} data
   * @param {number | undefined} ttl
   */
  async #store(key, request, data, ttl) {
    const timestamp = Date.now()
    const text = toJSON(data)
    this.#hold(request, key, data, timestamp, ttl, text?.length ?? SIZE_WITHOUT_JSON)
    if (text === undefined) {
      console.warn('The cache keeps a value in memory only: JSON cannot express it')
      // What an earlier value left there must not come back.
      await this.#onDisk((ticket) => this.#native.remove(ticket, key))
    } else {
      await this.#onDisk((ticket) => this.#native.save(ticket, key, text, timestamp, ttl))
    }
  }

  /**
   * Work on the disk that the cache can do without.
   *
   * @param {(ticket: number) => void} start
   */
  async #onDisk(start) {
    try {
      return /** @type {DiskExtent | null} */ (await promised(start))
    } catch (error) {
      this.#warnOfDisk('The disk cache failed', error)
      return null
    }
  }

  /**
   * @param {string} what
   * @param {unknown} error
   */
  #warnOfDisk(what, error) {
    if (this.#warnedOfDisk) return
    this.#warnedOfDisk = true
    console.warn(`${what}: ${error instanceof Error ? error.message : error}`)
  }

  /**
   * @param {string} key
   * @returns {types.MemoryEntry | undefined}
   */
  #held(key) {
    const held = this.#native.held(key)
    if (!held) return undefined
    const { slot, timestamp, ttl } = held
    const data = this.#values[slot]
    return ttl === undefined ? { data, timestamp } : { data, timestamp, ttl }
  }

  /**
   * @param {Request | undefined} request
   * @param {string} key
   * @param {unknown} data
   * @param {number} timestamp
   * @param {number | undefined} ttl
   * @param {number} bytes
   */
  #hold(request, key, data, timestamp, ttl, bytes) {
    const { text, json = false } = request ?? {}
    const [slot, ...freed] = this.#native.insert(text, json, key, timestamp, ttl, bytes)
    this.#values[slot] = data
    for (const slot of freed) this.#values[slot] = undefined
  }

  /**
   * Lets go of the values that have left the memory tier.
   *
   * @template T
   * @param {T} result
   */
  #forget(result) {
    for (const slot of this.#native.freed()) this.#values[slot] = undefined
    return result
  }
}

/** The method as it is unless a subclass makes its own keys. */
const generateKey = GitHubAPICache.prototype.generateCacheKey

/** @typedef {{ text: string, json: boolean }} Request */
/** @typedef {{ data: any, fresh: boolean, promoted?: boolean }} Found `promoted` from disk into memory */

/**
 * @param {string} name
 * @param {number} value
 */
function lifetime(name, value) {
  return args.number(name, value, 0, Number.POSITIVE_INFINITY)
}

/** @param {object} headers */
function isEmpty(headers) {
  if (headers === null || Object.getPrototypeOf(headers) !== Object.prototype) return false
  for (const _ in headers) return false
  return true
}

/**
 * The JSON of a value; `undefined` if it has none.
 *
 * @param {unknown} data
 */
function toJSON(data) {
  try {
    return JSON.stringify(data)
  } catch {
    return undefined
  }
}

/** @param {unknown} data */
function sizeOf(data) {
  return toJSON(data)?.length ?? SIZE_WITHOUT_JSON
}

module.exports = { GitHubAPICache }
