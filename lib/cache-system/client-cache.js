// @ts-check
'use strict'

const { GitHubAPICache } = require('./github-api-cache.js')

/** @import * as types from '../cache-system.js' */
/** @import { HttpFetch } from './http-fetch.js' */

/** The cache of a client: it has the responses that follow HTTP's rules as well, in a folder below its own. */
class ClientCache extends GitHubAPICache {
  #http

  /**
   * @param {string | undefined} cacheDir
   * @param {number | undefined} ttl
   * @param {types.CacheOptions} options
   * @param {() => InstanceType<typeof HttpFetch>} http what stores those responses at the time
   */
  constructor(cacheDir, ttl, options, http) {
    super(cacheDir, ttl, options)
    this.#http = http
  }

  async clear() {
    await Promise.all([super.clear(), this.#http().clear()])
  }

  async verify() {
    const [own, http] = await Promise.all([super.verify(), this.#http().verify()])
    return {
      damagedEntries: own.damagedEntries + http.entries,
      damagedBytes: own.damagedBytes + http.bytes,
    }
  }

  async diskStats() {
    const [own, http] = await Promise.all([super.diskStats(), this.#http().extent()])
    return { entries: own.entries + http.entries, bytes: own.bytes + http.bytes }
  }
}

module.exports = { ClientCache }
