// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { cacheOptions, lifetime } = require('./cache-options.js')
const { Prefetcher } = require('./prefetcher.js')
const { ReadThrough } = require('./read-through.js')
const { sweepEvery } = require('./sweeps.js')
const { Tiers } = require('./tiers.js')

/** @import * as types from '../cache-system.js' */
/** @import { Held } from './memory-tier.js' */
/** @import { Found, Request } from './tiers.js' */

/** @implements {types.GitHubAPICache} */
class GitHubAPICache {
  #tiers
  #readThrough
  #cacheDir
  #diskHits = 0
  /** @type {InstanceType<typeof Prefetcher> | undefined} */
  #prefetcher

  /**
   * @param {string} [cacheDir]
   * @param {number} [ttl]
   * @param {types.CacheOptions} [options]
   */
  constructor(cacheDir = '.aiwf/cache', ttl = 300_000, options = {}) {
    this.#cacheDir = args.string('cacheDir', cacheDir)
    lifetime('ttl', ttl)
    const { rules, windows, prefetch, sweepInterval, maxStale } = cacheOptions(options)
    this.#tiers = new Tiers(cacheDir, ttl, rules, () => this.#prefetcher?.wasted())
    const learns = rules.adaptiveTtl !== undefined
    this.#readThrough = new ReadThrough(this.#tiers, windows, learns, (found) => {
      if (found) this.#count(found)
      else this.stats.misses++
    })
    if (prefetch) {
      this.#prefetcher = new Prefetcher((url, headers) =>
        this.#readThrough.prefetch(this.#request(url, headers), (context) =>
          prefetch(url, headers, context),
        ),
      )
    }
    this.stats = { hits: 0, misses: 0, requests: 0 }
    this.memoryCache = this.#tiers.memoryView
    sweepEvery(this, sweepInterval, GitHubAPICache.#sweep(maxStale))
  }

  /**
   * A sweep. One made in the constructor would share its scope with functions that hold the cache, which would then never
   * be collected.
   *
   * @param {number} maxStale
   */
  static #sweep(maxStale) {
    return (/** @type {GitHubAPICache} */ cache) => void cache.#tiers.sweep(maxStale)
  }

  get cacheDir() {
    return this.#cacheDir
  }

  set cacheDir(value) {
    this.#cacheDir = args.string('cacheDir', value)
    this.#tiers.disk.useFolder(value)
  }

  get ttl() {
    return this.#tiers.ttl
  }

  set ttl(value) {
    this.#tiers.ttl = lifetime('ttl', value)
  }

  get maxEntries() {
    return this.#tiers.memoryBounds.maxEntries
  }

  set maxEntries(value) {
    this.#tiers.resizeMemory({ maxEntries: args.integer('maxEntries', value, 1) })
  }

  get maxMemoryBytes() {
    return this.#tiers.memoryBounds.maxMemoryBytes
  }

  set maxMemoryBytes(value) {
    this.#tiers.resizeMemory({ maxMemoryBytes: args.number('maxMemoryBytes', value, 1) })
  }

  get memoryFill() {
    return this.#tiers.memoryFill
  }

  get pendingRequests() {
    return this.#readThrough.pending
  }

  async init() {
    await this.#tiers.disk.init()
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
    // A function that waits nowhere costs a hit less.
    return held === undefined ? this.#lookUp(url, headers) : this.#serve(held)
  }

  /**
   * @param {string} url
   * @param {unknown} data
   * @param {object} [headers]
   * @param {types.SetOptions} [options]
   */
  async set(url, data, headers, options = {}) {
    const { ttl, validator, response } = args.object('options', options)
    await this.#tiers.store(this.#request(url, headers), data, { ttl, validator, response })
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
    args.object('options', options)
    if (options.ttl !== undefined) lifetime('options.ttl', options.ttl)
    if (options.signal) args.instance('options.signal', options.signal, AbortSignal)
    options.signal?.throwIfAborted()
    this.stats.requests++
    const held = this.#find(url, headers)
    const data = held
      ? this.#serve(held)
      : this.#readThrough.get(this.#request(url, headers), fetchFunction, options)
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
      memorySize: this.#tiers.memorySize,
      cacheDir: this.#cacheDir,
      ...(this.#prefetcher && { prefetch: this.#prefetcher.counts }),
    }
  }

  async cleanup() {
    const { inMemory, onDisk, freedBytes } = await this.#tiers.cleanup()
    return {
      expiredMemoryKeys: inMemory,
      expiredDiskEntries: onDisk,
      freedBytes,
      message: `Cleaned up ${inMemory} expired cache entries`,
    }
  }

  async clear() {
    const cleared = this.#tiers.clear()
    Object.assign(this.stats, { hits: 0, misses: 0, requests: 0 })
    this.#diskHits = 0
    this.#prefetcher?.reset()
    await cleared
  }

  /**
   * @param {string} url
   * @param {object} [headers]
   */
  async delete(url, headers) {
    return this.#tiers.delete(this.#request(url, headers).key)
  }

  async verify() {
    const { entries, bytes } = await this.#tiers.disk.verify()
    return { damagedEntries: entries, damagedBytes: bytes }
  }

  async diskStats() {
    return this.#tiers.disk.extent()
  }

  /**
   * @param {string} key
   * @returns {any}
   */
  getFromMemory(key) {
    const held = this.#tiers.findByKey(args.string('key', key))
    return held ? this.#serve(held) : null
  }

  /**
   * @param {string} key
   * @returns {Promise<any>}
   */
  async getFromDisk(key) {
    const found = await this.#tiers.onDisk(args.string('key', key))
    return found ? this.#count(found) : null
  }

  /**
   * @param {string} key
   * @param {unknown} data
   */
  async saveToCache(key, data) {
    await this.#tiers.store({ key: args.string('key', key) }, data, {})
  }

  /**
   * A fresh value in memory, without its key.
   *
   * @param {string} url
   * @param {object | undefined} headers
   */
  #find(url, headers) {
    return this.generateCacheKey === generateKey ? this.#tiers.find(url, headers) : undefined
  }

  /**
   * @param {string} url
   * @param {object | undefined} headers
   */
  async #lookUp(url, headers) {
    const found = await this.#tiers.lookUp(this.#request(url, headers), 0)
    if (found) return this.#count(found)
    this.stats.misses++
    return null
  }

  /**
   * @param {string} url
   * @param {object | undefined} headers
   * @returns {Request}
   */
  #request(url, headers) {
    const key = args.string('key', this.generateCacheKey(url, headers))
    return this.generateCacheKey === generateKey ? { key, url, headers } : { key }
  }

  /** The value of a hit, which is counted. @param {Held} held */
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
    if (found.fromDisk) this.#diskHits++
    return this.#serve(found.held)
  }
}

/** The method as it is unless a subclass makes its own keys. */
const generateKey = GitHubAPICache.prototype.generateCacheKey

module.exports = { GitHubAPICache }
