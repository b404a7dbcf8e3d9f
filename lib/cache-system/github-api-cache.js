// @ts-check
'use strict'

const path = require('node:path')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const { promised, settler } = require('../internal/settle.js')
const { cacheOptions, lifetime } = require('./cache-options.js')
const { MemoryTier } = require('./memory-tier.js')
const { Prefetcher } = require('./prefetcher.js')
const { SingleFlight } = require('./single-flight.js')

/** @import * as types from '../cache-system.js' */
/** @import { StoredEntry, DiskExtent } from '../../binding.js' */
/** @import { Held, Request } from './memory-tier.js' */
/** @import { Flight } from './single-flight.js' */

/** What a value that has no JSON counts for in memory, in bytes. */
const SIZE_WITHOUT_JSON = 1024
const FOREVER = Number.POSITIVE_INFINITY

/** @implements {types.GitHubAPICache} */
class GitHubAPICache {
  #native
  #memory
  #options
  #cacheDir
  #ttl
  /** Reads of the disk under way, by key. @type {Map<string, Promise<Found | undefined>>} */
  #reads = new Map()
  /** Requests under way; those that the cache answered have a note of it. */
  #flights = /** @type {InstanceType<typeof SingleFlight<Found>>} */ (new SingleFlight())
  #diskHits = 0
  /** Keys that are being fetched in the background. @type {Set<string>} */
  #refreshes = new Set()
  /** @type {InstanceType<typeof Prefetcher> | undefined} */
  #prefetcher
  /** Prefetches under way, by key; they do not reject. @type {Map<string, Promise<boolean>>} */
  #prefetches = new Map()
  #warnedOfDisk = false

  /**
   * @param {string} [cacheDir]
   * @param {number} [ttl]
   * @param {types.CacheOptions} [options]
   */
  constructor(cacheDir = '.aiwf/cache', ttl = 300_000, options = {}) {
    this.#cacheDir = args.string('cacheDir', cacheDir)
    this.#ttl = lifetime('ttl', ttl)
    this.#options = cacheOptions(options)
    const { prefetch, rules, sweepInterval } = this.#options
    this.#native = new native.NativeCache(settler, path.resolve(cacheDir), rules)
    this.#memory = new MemoryTier(this.#native, () => this.#prefetcher?.wasted())
    if (prefetch) {
      this.#prefetcher = new Prefetcher((url, headers) => this.#prefetch(url, headers, prefetch))
    }
    this.stats = { hits: 0, misses: 0, requests: 0 }
    this.memoryCache = this.#memory.view((key, { data, timestamp, ttl }) => {
      const slots = this.#native.hold(key, timestamp, ttl, sizeOf(data))
      this.#memory.take(slots, { data, prefetched: false })
    })
    if (sweepInterval > 0) GitHubAPICache.#sweepEvery(sweepInterval, new WeakRef(this))
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

  get maxEntries() {
    return this.#options.rules.maxEntries
  }

  set maxEntries(value) {
    this.#resize({ maxEntries: args.integer('maxEntries', value, 1) })
  }

  get maxMemoryBytes() {
    return this.#options.rules.maxMemoryBytes
  }

  set maxMemoryBytes(value) {
    this.#resize({ maxMemoryBytes: args.number('maxMemoryBytes', value, 1) })
  }

  get memoryFill() {
    return this.#native.fill
  }

  get pendingRequests() {
    return this.#flights.pending
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
    const held = this.#find(url, headers)
    if (held !== undefined) return this.#serve(held)
    const request = { url, headers }
    const found = await this.#lookUp(this.generateCacheKey(url, headers), request, 0)
    if (found) return this.#count(found).data
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
    const key = this.generateCacheKey(url, headers)
    await this.#store(key, { url, headers }, data, options)
  }

  /**
   * @template T
   * @param {string} url
   * @param {(context: types.FetchContext) => T | Promise<T>} fetchFunction
   * @param {object} [headers]
   * @param {types.GetOrFetchOptions} [options]
   * @returns {Promise<T>}
   */
  async getOrFetch(url, fetchFunction, headers, options = {}) {
    args.callback('fetchFunction', fetchFunction)
    if (options.ttl !== undefined) lifetime('options.ttl', options.ttl)
    options.signal?.throwIfAborted()
    this.stats.requests++
    const held = this.#find(url, headers)
    const data = held ? this.#serve(held) : this.#share(url, fetchFunction, headers, options)
    this.#prefetcher?.visit(url, headers)
    return data
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
      memorySize: this.#memory.size,
      cacheDir: this.#cacheDir,
      ...(this.#prefetcher && { prefetch: this.#prefetcher.counts }),
    }
  }

  async cleanup() {
    const [now, ttl] = [Date.now(), this.#ttl]
    const expiredMemoryKeys = this.#memory.swept(this.#native.forgetExpired(now, ttl, 0))
    const removed = await this.#onDisk((ticket) => this.#native.removeExpired(ticket, now, ttl))
    return {
      expiredMemoryKeys,
      expiredDiskEntries: removed?.entries ?? 0,
      freedBytes: removed?.bytes ?? 0,
      message: `Cleaned up ${expiredMemoryKeys} expired cache entries`,
    }
  }

  async clear() {
    this.#memory.clear()
    Object.assign(this.stats, { hits: 0, misses: 0, requests: 0 })
    this.#diskHits = 0
    this.#prefetcher?.reset()
    await this.#onDisk((ticket) => this.#native.removeAll(ticket))
  }

  /**
   * @param {string} url
   * @param {object} [headers]
   */
  async delete(url, headers) {
    const key = this.generateCacheKey(url, headers)
    const held = this.#memory.delete(key)
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
    const held = this.#memory.findByKey(key, Date.now(), this.#ttl, 0)
    return held ? this.#serve(held) : null
  }

  /**
   * @param {string} key
   * @returns {Promise<any>}
   */
  async getFromDisk(key) {
    const found = await this.#read(key, undefined, 0)
    return found ? this.#count(found).data : null
  }

  /**
   * @param {string} key
   * @param {unknown} data
   */
  async saveToCache(key, data) {
    await this.#store(args.string('key', key), undefined, data, {})
  }

  /**
   * A fresh value in memory, without its key. A subclass that makes its own keys decides itself which requests
   * are the same.
   *
   * @param {string} url
   * @param {object | undefined} headers
   */
  #find(url, headers) {
    if (this.generateCacheKey !== generateKey) return undefined
    return this.#memory.find(url, headers, Date.now(), this.#ttl)
  }

  /** @param {{ maxEntries?: number, maxMemoryBytes?: number }} bounds */
  #resize(bounds) {
    const { maxEntries, maxMemoryBytes } = Object.assign(this.#options.rules, bounds)
    this.#memory.swept(this.#native.resize(maxEntries, maxMemoryBytes))
  }

  /** @param {Held} held */
  #serve(held) {
    this.stats.hits++
    if (held.prefetched) {
      held.prefetched = false
      this.#prefetcher?.used()
    }
    return held.data
  }

  /** @param {Found} found */
  #count(found) {
    if (found.promoted) this.#diskHits++
    this.#serve(found.held)
    return found.held
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
    const fresh = this.#memory.findByKey(key, now, this.#ttl, 0)
    if (fresh) return { held: fresh, fresh: true, promoted: false }
    const stale = grace > 0 && this.#memory.findByKey(key, now, this.#ttl, grace)
    // What others may have renewed on disk is not looked for: a fetch is under way anyhow.
    if (stale) return { held: stale, fresh: false, promoted: false }
    return this.#read(key, request, grace)
  }

  /**
   * Reads an entry from the disk into memory, once for all who ask for it at the time.
   *
   * @param {string} key
   * @param {Request | undefined} request
   * @param {number} grace
   */
  async #read(key, request, grace) {
    // Whoever takes stale values reads for himself.
    const reading = grace === 0 && this.#reads.get(key)
    if (reading) return reading
    const stored = this.#native.loadAtOnce(key, Date.now(), this.#ttl, grace)
    if (stored !== undefined) return this.#promote(key, request, stored)
    const read = this.#load(key, request, grace)
    if (grace > 0) return read
    this.#reads.set(key, read)
    return read.finally(() => this.#reads.delete(key))
  }

  /**
   * @param {string} key
   * @param {Request | undefined} request
   * @param {number} grace
   */
  async #load(key, request, grace) {
    const stored = await promised((ticket) =>
      this.#native.load(ticket, key, Date.now(), this.#ttl, grace),
    )
    return this.#promote(key, request, /** @type {StoredEntry | null} */ (stored))
  }

  /**
   * @param {string} key
   * @param {Request | undefined} request
   * @param {StoredEntry | null} stored
   * @returns {Found | undefined}
   */
  #promote(key, request, stored) {
    if (stored === null) return undefined
    const { text, timestamp, ttl, fresh, validator, learnt } = stored
    // Stored while the disk was read.
    const newer = this.#memory.newerThan(timestamp, key)
    if (newer) return { held: newer, fresh: true, promoted: false }
    const slots = this.#native.hold(key, timestamp, ttl, text.length, learnt)
    const value = { data: JSON.parse(text), validator, prefetched: false }
    const held = this.#memory.take(slots, value, this.#indexed(request))
    return { held, fresh, promoted: true }
  }

  /**
   * Waits with all others who ask for the same, first for the disk and then for one call of `fetchFunction`.
   *
   * @param {string} url
   * @param {(context: types.FetchContext) => any} fetchFunction
   * @param {object | undefined} headers
   * @param {types.GetOrFetchOptions} options
   */
  async #share(url, fetchFunction, headers, options) {
    const key = this.generateCacheKey(url, headers)
    const fetch = (/** @type {AbortSignal} */ signal) =>
      this.#fetch(key, { url, headers }, fetchFunction, options, signal)
    const start = (/** @type {Flight<Found>} */ flight) =>
      this.#lookUpOrFetch(key, { url, headers }, fetch, flight)
    const flight = this.#flights.enter(key, start)
    try {
      return await this.#flights.wait(key, flight, options.signal)
    } finally {
      if (flight.note) this.#count(flight.note)
      else this.stats.misses++
    }
  }

  /**
   * @param {string} key
   * @param {Request} request
   * @param {(signal: AbortSignal) => Promise<any>} fetch
   * @param {Flight<Found>} flight
   */
  async #lookUpOrFetch(key, request, fetch, flight) {
    await this.#prefetches.get(key)
    const { staleWhileRevalidate } = this.#options
    const found = await this.#lookUp(key, request, staleWhileRevalidate)
    if (!found) return this.#unlessDown(fetch, key, request, flight.controller.signal)
    flight.note = found
    if (!found.fresh) this.#refresh(key, fetch)
    return found.held.data
  }

  /**
   * @param {string} key
   * @param {Request} request
   * @param {(context: types.FetchContext) => any} fetchFunction
   * @param {types.SetOptions} given
   * @param {AbortSignal} signal
   */
  async #fetch(key, request, fetchFunction, given, signal) {
    const { ttl, validator } = given
    const options = { ttl, validator }
    const stale = async () => {
      const found = await this.#lookUp(key, request, FOREVER)
      return found && { data: found.held.data, validator: found.held.validator }
    }
    // What was learnt of its content is kept beside the last one.
    if (this.#options.rules.adaptiveTtl) await stale()
    const data = await fetchFunction({ signal, options, stale })
    // Nobody waits any more, and somebody may have stored a newer one.
    if (!signal.aborted) await this.#store(key, request, data, options)
    return data
  }

  /**
   * What `fetch` resolves to. When it fails, a value that is not stale for too long.
   *
   * @param {(signal: AbortSignal) => Promise<any>} fetch
   * @param {string} key
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #unlessDown(fetch, key, request, signal) {
    const { staleIfError } = this.#options
    try {
      return await fetch(signal)
    } catch (error) {
      const stale = staleIfError > 0 && (await this.#lookUp(key, request, staleIfError))
      if (!stale) throw error
      return stale.held.data
    }
  }

  /**
   * Fetches in the background. A failure is not told: the stale value serves on until its time is up, and the
   * next failure then reaches the caller.
   *
   * @param {string} key
   * @param {(signal: AbortSignal) => Promise<any>} fetch
   */
  async #refresh(key, fetch) {
    if (this.#refreshes.has(key)) return
    this.#refreshes.add(key)
    try {
      await fetch(new AbortController().signal)
    } catch {
    } finally {
      this.#refreshes.delete(key)
    }
  }

  /**
   * Brings an entry into memory before it is asked for; whether it had to be fetched, and was.
   *
   * @param {any} url
   * @param {object | undefined} headers
   * @param {types.Prefetch} prefetch
   */
  async #prefetch(url, headers, prefetch) {
    const key = this.generateCacheKey(url, headers)
    const request = { url, headers }
    const busy = this.pendingRequests.has(key) || this.#prefetches.has(key)
    if (busy || (await this.#lookUp(key, request, 0))) return false
    const work = async () => {
      const data = await prefetch(url, headers)
      if (data === undefined) return false
      await this.#store(key, request, data, { prefetched: true })
      return true
    }
    const done = work().finally(() => this.#prefetches.delete(key))
    // Who asks for it meanwhile waits for it, but its failure is not his.
    const settled = done.catch(() => false)
    this.#prefetches.set(key, settled)
    return done
  }

  /**
   * @param {string} key
   * @param {Request | undefined} request
   * @param {unknown} data
   * @param {types.SetOptions & { prefetched?: boolean }} options
   */
  async #store(key, request, data, { ttl, validator, prefetched = false }) {
    if (ttl !== undefined) lifetime('options.ttl', ttl)
    if (validator !== undefined) args.string('options.validator', validator)
    const timestamp = Date.now()
    const text = toJSON(data)
    if (text === undefined) {
      const slots = this.#native.hold(key, timestamp, ttl, SIZE_WITHOUT_JSON)
      this.#memory.take(slots, { data, validator, prefetched }, this.#indexed(request))
      console.warn('The cache keeps a value in memory only: JSON cannot express it')
      // What an earlier value left there must not come back.
      await this.#onDisk((ticket) => this.#native.remove(ticket, key))
    } else {
      await this.#onDisk((ticket) => {
        const slots = this.#native.save(ticket, key, text, timestamp, ttl, this.#ttl, validator)
        this.#memory.take(slots, { data, validator, prefetched }, this.#indexed(request))
      })
    }
  }

  /**
   * The request, if the index may find it: its key is the one that it would have anywhere.
   *
   * @param {Request | undefined} request
   */
  #indexed(request) {
    return this.generateCacheKey === generateKey ? request : undefined
  }

  /**
   * Sweeps from time to time, which keeps neither the cache nor the process alive.
   *
   * @param {number} interval milliseconds
   * @param {WeakRef<GitHubAPICache>} cache
   */
  static #sweepEvery(interval, cache) {
    const timer = setInterval(() => {
      const live = cache.deref()
      if (live) live.#sweep()
    }, interval)
    timer.unref()
    sweeps.register(/** @type {GitHubAPICache} */ (cache.deref()), timer)
  }

  /** Removes what will neither be served nor revalidated again. */
  #sweep() {
    const { staleWhileRevalidate, staleIfError, maxStale } = this.#options
    const grace = Math.max(staleWhileRevalidate, staleIfError, maxStale)
    const [now, ttl] = [Date.now(), this.#ttl]
    this.#memory.swept(this.#native.forgetExpired(now, ttl, grace))
    this.#native.sweep(now, ttl, grace)
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
}

/** The method as it is unless a subclass makes its own keys. */
const generateKey = GitHubAPICache.prototype.generateCacheKey

/** @typedef {{ held: Held, fresh: boolean, promoted: boolean }} Found `promoted` from disk into memory */

/** Stops the sweeps of a cache that nobody holds any more. @type {FinalizationRegistry<NodeJS.Timeout>} */
const sweeps = new FinalizationRegistry(clearInterval)

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
