// @ts-check
'use strict'

const { join, resolve } = require('node:path')
const args = require('../internal/arguments.js')
const { toError, traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')
const { abortable } = require('../internal/signal.js')
const { cacheOptions: checked } = require('./cache-options.js')
const { GitHubAPICache } = require('./github-api-cache.js')
const { HttpFetch, offlineMode } = require('./http-fetch.js')
const { RateLimiter } = require('./rate-limiter.js')

/** @import * as types from '../cache-system.js' */

/** @implements {types.OptimizedGitHubClient} */
class OptimizedGitHubClient {
  #token
  #apiCalls = 0
  #retries
  #bounds
  /** @type {InstanceType<typeof HttpFetch> | undefined} */
  #http

  /**
   * @param {string} [baseUrl]
   * @param {types.GitHubClientOptions} [cacheOptions]
   */
  constructor(baseUrl = 'https://api.github.com', cacheOptions = {}) {
    this.baseUrl = args.string('baseUrl', baseUrl).replace(/\/+$/, '')
    const given = args.object('cacheOptions', cacheOptions)
    const { cacheDir, ttl, token, offline, retries, ...options } = given
    this.#retries = args.integer('cacheOptions.retries', retries || 0)
    this.#token = token ? args.string('cacheOptions.token', token) : undefined
    this.cache = new GitHubAPICache(cacheDir, ttl, options)
    this.#bounds = {
      ...checked(options).rules,
      retries: this.#retries,
      offline: offline ? offlineMode('cacheOptions.offline', offline) : undefined,
    }
    // A property, so that it can be handed on alone.
    /** @type {types.OptimizedGitHubClient['fetch']} */
    this.fetch = (input, init) => this.#fetch(input, init)
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
    const given =
      options.headers instanceof Headers ? Object.fromEntries(options.headers) : options.headers
    const headers = { 'User-Agent': 'aiwf', ...this.#authorization(target), ...given }
    const request = (/** @type {types.FetchContext} */ context) =>
      this.#request({ ...options, method, url: target, headers }, context)
    if (method !== 'GET' && method !== 'HEAD') {
      return this.#request({ ...options, method, url: target, headers })
    }
    // HEAD has no body, so its entry must not be taken for that of GET.
    const keyed = method === 'HEAD' ? { ...headers, ':method': method } : headers
    return abortable(this.cache.getOrFetch(target, request, keyed), options.signal)
  }

  /**
   * @param {string | URL | Request} input
   * @param {RequestInit} [init]
   */
  async #fetch(input, init) {
    this.#http ??= new HttpFetch(
      join(resolve(this.cache.cacheDir), 'http'),
      this.#bounds,
      (url) => ({
        'user-agent': 'aiwf',
        ...this.#authorization(url),
      }),
    )
    const target = typeof input === 'string' ? absolute(input, this.baseUrl) : input
    return this.#http.fetch(target, init)
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
   * One call of the API, when it is its turn. What is known with its `ETag` is asked for only if it has changed.
   *
   * @param {types.FetchOptions & { url: string, method: string, headers: object }} request
   * @param {types.FetchContext} [context]
   */
  async #request({ url, method, headers, body, timeout, signal }, context) {
    const stale = method === 'GET' && !isConditional(headers) ? await context?.stale() : undefined
    await this.rateLimiter.waitForNext()
    this.#apiCalls++
    const content = body === undefined ? undefined : Buffer.from(/** @type {any} */ (body))
    const { validator } = stale ?? {}
    const retries = this.#retries
    const request = {
      url,
      method,
      headers: flat(headers),
      body: content,
      timeout,
      retries,
      validator,
    }
    const start = (/** @type {number} */ ticket) => native.fetchText(settler, ticket, request)
    /** @type {import('../../binding.js').NativeText} */
    const answer = await traced(promised(start, { signal: context ? undefined : signal }))
    const { text } = answer
    // A 304 need not repeat the `ETag`.
    const etag = answer.validator ?? (text === undefined ? validator : undefined)
    if (context) context.options.validator = etag
    if (text === undefined) return stale?.data
    return text === '' ? null : parse(text, url)
  }

  /**
   * The token, for the API's own host only.
   *
   * @param {string} url
   * @returns {Record<string, string>}
   */
  #authorization(url) {
    const own =
      this.#token && URL.canParse(url) && new URL(url).origin === new URL(this.baseUrl).origin
    if (!own) return {}
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

/** @param {object} headers */
function isConditional(headers) {
  return Object.keys(headers).some((name) => /^if-/i.test(name))
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
