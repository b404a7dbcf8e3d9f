// @ts-check
'use strict'

const { EventEmitter } = require('node:events')
const { join, resolve } = require('node:path')
const args = require('../internal/arguments.js')
const { ClientCache } = require('./client-cache.js')
const { clientOptions } = require('./client-options.js')
const { DirectoryDownload } = require('./directory-download.js')
const { HttpFetch } = require('./http-fetch.js')
const { RateLimiter } = require('./rate-limiter.js')
const { SingleFlight } = require('./single-flight.js')

/** @import * as types from '../cache-system.js' */
/** @import { NativeAsk, NativeLimited } from '../../binding.js' */

/**
 * @extends {EventEmitter<{ rateLimit: [types.RateLimitInfo], response: [types.ResponseInfo] }>}
 * @implements {types.OptimizedGitHubClient}
 */
class OptimizedGitHubClient extends EventEmitter {
  #options
  #apiCalls = 0
  /** The network, and what it was made for. @type {{ http: InstanceType<typeof HttpFetch>, of: string } | undefined} */
  #http
  /** Requests that follow the response headers. */
  #flights = /** @type {InstanceType<typeof SingleFlight<undefined>>} */ (new SingleFlight())
  /** When the limits that were told of end. @type {Map<string, number>} */
  #toldOf = new Map()

  /**
   * @param {string} [baseUrl]
   * @param {types.GitHubClientOptions} [cacheOptions]
   */
  constructor(baseUrl = 'https://api.github.com', cacheOptions = {}) {
    super()
    this.baseUrl = args.string('baseUrl', baseUrl).replace(/\/+$/, '')
    this.#options = clientOptions(args.object('cacheOptions', cacheOptions))
    const { cacheDir, ttl, cache } = this.#options
    /** @type {types.GitHubAPICache} */
    this.cache = new ClientCache(cacheDir, ttl, cache, () => this.#network)
    // A property, so that it can be handed on alone.
    /** @type {types.OptimizedGitHubClient['fetch']} */
    this.fetch = async (input, init) => {
      const target = typeof input === 'string' ? absolute(input, this.baseUrl) : input
      return this.#network.fetch(target, init)
    }
    /** @type {{ waitForNext(options?: { signal?: AbortSignal }): Promise<unknown>, getStats?(): any }} */
    this.rateLimiter = new RateLimiter(60, 60_000)
  }

  async init() {
    await this.cache.init()
  }

  /**
   * @param {string} url
   * @param {types.FetchOptions} [options]
   */
  async cachedFetch(url, options = {}) {
    const target = absolute(args.string('url', url), this.baseUrl)
    const method = args.string('options.method', options.method ?? 'GET').toUpperCase()
    const given =
      options.headers instanceof Headers ? Object.fromEntries(options.headers) : options.headers
    const headers = { 'User-Agent': 'aiwf', ...this.#authorization(target), ...given }
    const { timeout = this.#options.timeout, signal } = options
    const content = bytes(options.body)
    if (content && (method === 'GET' || method === 'HEAD')) {
      throw args.invalidValue(
        'options.body',
        `must not be given with the method ${method}`,
        content,
      )
    }
    const limit = timeout ? args.number('options.timeout', timeout) : undefined
    const { http } = this.#options
    const cache = http ? undefined : 'no-store'
    const ask = {
      method,
      url: target,
      headers: flat(headers),
      body: content,
      timeout: limit,
      cache,
    }
    if (method !== 'GET' && method !== 'HEAD') return this.#request(ask, { signal })
    if (http) return this.#follow(ask, signal)
    const conditional = Object.keys(headers).some((name) => /^if-/i.test(name))
    const request = (/** @type {types.FetchContext} */ context) =>
      method === 'GET' && !conditional
        ? this.#revalidate(ask, context)
        : this.#request(ask, context)
    // HEAD has no body, so its entry must not be taken for that of GET.
    const keyed = method === 'HEAD' ? { ...headers, ':method': method } : headers
    return this.cache.getOrFetch(target, request, keyed, { signal })
  }

  /**
   * @param {string[]} urls
   * @param {types.FetchOptions & { batchSize?: number }} [options]
   */
  async batchRequest(urls, options = {}) {
    if (!Array.isArray(urls)) throw args.invalidType('urls', 'an instance of Array', urls)
    const { batchSize, ...fetchOptions } = options
    const limit = args.integer('options.batchSize', batchSize || 5, 1)
    /** @type {PromiseSettledResult<any>[]} */
    const results = new Array(urls.length)
    let next = 0
    const work = async () => {
      while (next < urls.length) {
        const index = next++
        ;[results[index]] = await Promise.allSettled([this.cachedFetch(urls[index], fetchOptions)])
      }
    }
    await Promise.all(Array.from({ length: Math.min(limit, urls.length) }, work))
    return results
  }

  /**
   * @param {string} repoPath
   * @param {string} [dirPath]
   */
  async getDirectoryStructure(repoPath, dirPath = '') {
    return this.cachedFetch(this.#contents(repoPath, dirPath))
  }

  /**
   * @param {string} repoPath
   * @param {string} filePath
   */
  async getFileContent(repoPath, filePath) {
    return this.cachedFetch(this.#contents(repoPath, filePath))
  }

  /**
   * @param {string} repoPath
   * @param {string} dirPath
   * @param {string} destination
   * @param {types.DownloadOptions} [options]
   * @returns {Promise<types.DownloadSummary>}
   */
  async downloadDirectory(repoPath, dirPath, destination, options = {}) {
    const source = {
      baseUrl: this.baseUrl,
      repository: args.string('repoPath', repoPath),
      folder: args.string('dirPath', dirPath),
      headers: flat({ 'User-Agent': 'aiwf', ...this.#authorization(this.baseUrl) }),
    }
    args.string('destination', destination)
    const download = new DirectoryDownload(source, options)
    const started = performance.now()
    const before = { apiCalls: this.#apiCalls, ...this.cache.hitsByTier }
    await download.list((urls) => this.batchRequest(urls, { signal: options.signal }))
    const { tally, ...outcome } = await download.mirror(
      destination,
      this.#network.native,
      this.#options.timeout,
    )
    const { memory, disk } = this.cache.hitsByTier
    return {
      repository: repoPath,
      ref: download.reference,
      ...tally,
      apiCalls: this.#apiCalls - before.apiCalls,
      cacheHits: { memory: memory - before.memory, disk: disk - before.disk },
      duration: performance.now() - started,
      ...outcome,
    }
  }

  getStats() {
    const github = this.#http?.http.limits() ?? { resources: {}, underWay: 0, waiting: 0 }
    const rateLimit = { ...this.rateLimiter.getStats?.(), github }
    return { cache: this.cache.getStats(), rateLimit }
  }

  async cleanup() {
    return this.cache.cleanup()
  }

  /**
   * @param {string} repoPath
   * @param {string} path
   */
  #contents(repoPath, path) {
    return `${this.baseUrl}/repos/${segments('repoPath', repoPath)}/contents/${segments('path', path)}`
  }

  get #network() {
    const { baseUrl, cache } = this
    const of = JSON.stringify([baseUrl, cache.cacheDir])
    if (this.#http?.of !== of) this.#http = { http: this.#connect(baseUrl, cache.cacheDir), of }
    return this.#http.http
  }

  /**
   * @param {string} apiUrl
   * @param {string} cacheDir
   */
  #connect(apiUrl, cacheDir) {
    const folder = join(resolve(cacheDir), 'http')
    return new HttpFetch(
      { ...this.#options.network, folder, apiUrl },
      {
        timeout: this.#options.timeout,
        headers: (url) => ({ 'user-agent': 'aiwf', ...this.#authorization(url) }),
        onLimited: (limited) => this.#tell(limited),
        isHeard: () => this.listenerCount('response') > 0,
        onResponse: ({ method, url }, status, cache, began) => {
          this.emit('response', { method, url, status, cache, duration: performance.now() - began })
        },
      },
    )
  }

  /**
   * The answer by the rules of its headers, for all who ask for it at the time.
   *
   * @param {NativeAsk} ask
   * @param {AbortSignal | undefined} signal
   */
  async #follow(ask, signal) {
    signal?.throwIfAborted()
    const fresh = this.#network.textAtOnce(ask)
    if (fresh !== undefined) return parse(fresh, ask.url)
    const key = JSON.stringify([ask.method, ask.url, ask.headers])
    const flight = this.#flights.enter(key, async ({ controller }) => {
      const options = { signal: controller.signal }
      const stored = await this.#network.text(ask, { ...options, network: false })
      return stored ? parse(stored.text, ask.url) : this.#request(ask, options)
    })
    return this.#flights.wait(key, flight, signal)
  }

  /**
   * Asks only for what has changed, where the cache has it with its `ETag`.
   *
   * @param {NativeAsk} ask
   * @param {types.FetchContext} context
   */
  async #revalidate(ask, { signal, options, stale }) {
    const known = await stale()
    const validator = known?.validator
    const { text, contentType, ...answer } = await this.#send({ ...ask, validator }, signal)
    const unchanged = text === undefined
    // A 304 need not repeat the `ETag`.
    options.validator = answer.validator ?? (unchanged ? validator : undefined)
    // Of its headers only the type counts here: the rest would replace the cache's own `ttl`.
    options.response = {
      status: unchanged ? 304 : 200,
      headers: contentType === undefined ? {} : { 'content-type': contentType },
    }
    return unchanged ? known?.data : parse(text, ask.url)
  }

  /**
   * @param {NativeAsk} ask
   * @param {{ signal?: AbortSignal }} options
   */
  async #request(ask, { signal }) {
    return parse((await this.#send(ask, signal)).text, ask.url)
  }

  /**
   * One call of the API, when it is its turn.
   *
   * @param {NativeAsk} ask
   * @param {AbortSignal | undefined} signal
   */
  async #send(ask, signal) {
    await this.rateLimiter.waitForNext({ signal })
    this.#apiCalls++
    return /** @type {import('../../binding.js').NativeText} */ (
      await this.#network.text(ask, { signal, network: true })
    )
  }

  /**
   * Each limit is told of once, however many run into it.
   *
   * @param {NativeLimited} limited
   */
  #tell(limited) {
    const name = `${limited.kind} ${limited.resource}`
    const end = Date.now() + limited.retryAfter
    if (end <= (this.#toldOf.get(name) ?? 0) + 1_000) return
    this.#toldOf.set(name, end)
    this.emit('rateLimit', limited)
  }

  /**
   * The token, for the API's own host only.
   *
   * @param {string} url
   * @returns {Record<string, string>}
   */
  #authorization(url) {
    const { token } = this.#options
    const own = token && URL.canParse(url) && new URL(url).origin === new URL(this.baseUrl).origin
    return own ? { Authorization: `Bearer ${token}` } : {}
  }
}

/**
 * @param {string} url absolute, or below the API's own
 * @param {string} baseUrl
 */
function absolute(url, baseUrl) {
  const trimmed = url.trim()
  return /^[a-z][a-z\d+.-]*:/i.test(trimmed) ? trimmed : `${baseUrl}/${trimmed.replace(/^\/+/, '')}`
}

/**
 * A path as part of a URL: what would end it is encoded, what is encoded already stays.
 *
 * @param {string} name
 * @param {string} path
 */
function segments(name, path) {
  if (/(^|[\\/])(\.|%2e){1,2}($|[\\/])/i.test(args.string(name, path))) {
    throw args.invalidValue(name, "must have no segments '.' or '..'", path)
  }
  return path.replace(/[#?\\]|%(?![\da-f]{2})/gi, encodeURIComponent)
}

/**
 * A copy of the very bytes of a view, whatever its elements are: it may change before it is sent.
 *
 * @param {types.FetchOptions['body'] | null} body
 */
function bytes(body) {
  if (body == null) return undefined
  if (!ArrayBuffer.isView(body)) return Buffer.from(body)
  return Buffer.from(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
}

/**
 * Names and values in turn; of several under one name, in whatever case, the last.
 *
 * @param {object} headers
 */
function flat(headers) {
  const last = new Map()
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) last.set(name.toLowerCase(), String(value))
  }
  return [...last].flat()
}

/**
 * @param {string | undefined} text
 * @param {string} url
 */
function parse(text, url) {
  if (!text) return null
  try {
    // A byte order mark is no part of the text, as for `Response.json()`.
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch (cause) {
    const error = new SyntaxError(`The answer is not JSON: ${/** @type {Error} */ (cause).message}`)
    throw Object.assign(error, { code: 'ERR_AIWF_INVALID_JSON', url, cause })
  }
}

module.exports = { OptimizedGitHubClient }
