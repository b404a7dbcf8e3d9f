// @ts-check
'use strict'

const { resolve } = require('node:path')
const args = require('../internal/arguments.js')
const { toError, traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')
const { abortable } = require('../internal/signal.js')
const { GitHubAPICache } = require('./github-api-cache.js')
const { RateLimiter } = require('./rate-limiter.js')

/** @import * as types from '../cache-system.js' */

/** @implements {types.OptimizedGitHubClient} */
class OptimizedGitHubClient {
  #token
  #apiCalls = 0

  /**
   * @param {string} [baseUrl]
   * @param {types.GitHubClientOptions} [cacheOptions]
   */
  constructor(baseUrl = 'https://api.github.com', cacheOptions = {}) {
    this.baseUrl = args.string('baseUrl', baseUrl).replace(/\/+$/, '')
    const { cacheDir, ttl, token, ...options } = args.object('cacheOptions', cacheOptions)
    this.#token = token ? args.string('cacheOptions.token', token) : undefined
    this.cache = new GitHubAPICache(cacheDir, ttl, options)
    /** @type {{ waitForNext(): Promise<unknown>, getStats?(): any }} */
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
    const method = (options.method ?? 'GET').toUpperCase()
    const headers = { 'User-Agent': 'aiwf', ...this.#authorization(target), ...options.headers }
    const request = () => this.#request({ ...options, method, url: target, headers })
    if (method !== 'GET' && method !== 'HEAD') return request()
    // HEAD has no body, so its entry must not be taken for that of GET.
    const keyed = method === 'HEAD' ? { ...headers, ':method': method } : headers
    return abortable(this.cache.getOrFetch(target, request, keyed), options.signal)
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
    return this.cachedFetch(`${this.baseUrl}/repos/${repoPath}/contents/${dirPath}`)
  }

  /**
   * @param {string} repoPath
   * @param {string} filePath
   */
  async getFileContent(repoPath, filePath) {
    return this.cachedFetch(`${this.baseUrl}/repos/${repoPath}/contents/${filePath}`)
  }

  /**
   * @param {string} repoPath
   * @param {string} dirPath
   * @param {string} destination
   * @param {types.DownloadOptions} [options]
   * @returns {Promise<types.DownloadSummary>}
   */
  async downloadDirectory(repoPath, dirPath, destination, options = {}) {
    const { ref = 'HEAD', concurrency = 10, onProgress, signal } = options
    const folder = new native.NativeDirectory(settler, {
      baseUrl: this.baseUrl,
      repository: args.string('repoPath', repoPath),
      folder: args.string('dirPath', dirPath),
      reference: args.string('options.ref', ref),
    })
    const mirror = {
      destination: resolve(args.string('destination', destination)),
      concurrency: args.integer('options.concurrency', concurrency, 1),
      headers: flat({ 'User-Agent': 'aiwf', ...this.#authorization(this.baseUrl) }),
    }
    const started = performance.now()
    const before = { apiCalls: this.#apiCalls, ...this.cache.hitsByTier }
    await this.#list(folder, signal)
    /** @type {types.DownloadFailure[]} */
    const failures = []
    /** @type {string[]} */
    const skipped = []
    const onEvent = (/** @type {any} */ event) => {
      if (event.error) event.error = toError(event.error)
      if (event.status === 'failed') failures.push({ path: event.path, error: event.error })
      if (event.status === 'skipped') skipped.push(event.path)
      onProgress?.(event)
    }
    const start = (/** @type {number} */ ticket) => folder.mirror(ticket, mirror)
    const tally = await traced(promised(start, { signal, onEvent }))
    const { memory, disk } = this.cache.hitsByTier
    return {
      repository: repoPath,
      ref,
      destination: mirror.destination,
      ...tally,
      apiCalls: this.#apiCalls - before.apiCalls,
      cacheHits: { memory: memory - before.memory, disk: disk - before.disk },
      duration: performance.now() - started,
      failures,
      skippedPaths: skipped,
    }
  }

  getStats() {
    return { cache: this.cache.getStats(), rateLimit: this.rateLimiter.getStats?.() }
  }

  async cleanup() {
    return this.cache.cleanup()
  }

  /**
   * Asks what the listing wants to know, through `cachedFetch`, until it knows all.
   *
   * @param {import('../../binding.js').NativeDirectory} folder
   * @param {AbortSignal} [signal]
   */
  async #list(folder, signal) {
    let step = await traced(promised((ticket) => folder.start(ticket)))
    while (step.requests.length > 0) {
      const answers = await this.batchRequest(step.requests, { signal })
      signal?.throwIfAborted()
      const told = JSON.stringify(answers.map(answer))
      step = await traced(promised((ticket) => folder.accept(ticket, told)))
      if (step.failed != null)
        throw /** @type {PromiseRejectedResult} */ (answers[step.failed]).reason
    }
  }

  /**
   * One call of the API, when it is its turn.
   *
   * @param {types.FetchOptions & { url: string, method: string, headers: object }} request
   */
  async #request({ url, method, headers, body, timeout, signal }) {
    await this.rateLimiter.waitForNext()
    this.#apiCalls++
    const content = body === undefined ? undefined : Buffer.from(/** @type {any} */ (body))
    const request = { url, method, headers: flat(headers), body: content, timeout }
    const start = (/** @type {number} */ ticket) => native.fetchText(settler, ticket, request)
    const text = await traced(promised(start, { signal: method === 'GET' ? undefined : signal }))
    return text === '' ? null : parse(text, url)
  }

  /**
   * The token, for the API's own host only.
   *
   * @param {string} url
   * @returns {Record<string, string>}
   */
  #authorization(url) {
    if (!this.#token || new URL(url).origin !== new URL(this.baseUrl).origin) return {}
    return { Authorization: `Bearer ${this.#token}` }
  }
}

/**
 * @param {PromiseSettledResult<any>} result
 */
function answer(result) {
  return result.status === 'fulfilled'
    ? { value: result.value }
    : { failed: result.reason?.status ?? 0 }
}

/**
 * @param {string} url absolute, or below the API's own
 * @param {string} baseUrl
 */
function absolute(url, baseUrl) {
  return /^[a-z][a-z\d+.-]*:/i.test(url) ? url : `${baseUrl}/${url.replace(/^\/+/, '')}`
}

/**
 * Names and values in turn.
 *
 * @param {object} headers
 */
function flat(headers) {
  return Object.entries(headers)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [name, String(value)])
}

/**
 * @param {string} text
 * @param {string} url
 */
function parse(text, url) {
  try {
    // A byte order mark is no part of the text, as for `Response.json()`.
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch (cause) {
    const error = new SyntaxError(`The answer is not JSON: ${/** @type {Error} */ (cause).message}`)
    throw Object.assign(error, { code: 'ERR_AIWF_INVALID_JSON', url, cause })
  }
}

module.exports = { OptimizedGitHubClient }
