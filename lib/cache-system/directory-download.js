// @ts-check
'use strict'

const { resolve } = require('node:path')
const args = require('../internal/arguments.js')
const { toError, traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')

/** @import * as types from '../cache-system.js' */
/** @import { NativeDirectory, NativeFetcher } from '../../binding.js' */

/**
 * A folder of a repository on its way to disk: listed by calls of the API that its client makes, then mirrored natively.
 */
class DirectoryDownload {
  #folder
  #source
  #options

  /**
   * @param {{ baseUrl: string, repository: string, folder: string, headers: string[] }} source
   * @param {types.DownloadOptions} options
   */
  constructor({ headers, ...source }, options) {
    const { ref = 'HEAD', concurrency = 10 } = options
    this.#source = { headers, reference: args.string('options.ref', ref) }
    this.#folder = new native.NativeDirectory(settler, {
      ...source,
      reference: this.#source.reference,
    })
    this.#options = {
      ...options,
      concurrency: args.integer('options.concurrency', concurrency, 1),
    }
  }

  get reference() {
    return this.#source.reference
  }

  /**
   * Asks what the listing wants to know until it knows all.
   *
   * @param {(urls: string[]) => Promise<PromiseSettledResult<any>[]>} ask
   */
  async list(ask) {
    const folder = this.#folder
    let step = await traced(promised((ticket) => folder.start(ticket)))
    while (step.requests.length > 0) {
      const answers = await ask(step.requests)
      this.#options.signal?.throwIfAborted()
      const told = JSON.stringify(answers.map(answer))
      step = await traced(promised((ticket) => folder.accept(ticket, told)))
      if (step.failed != null)
        throw /** @type {PromiseRejectedResult} */ (answers[step.failed]).reason
    }
  }

  /**
   * Writes what was listed.
   *
   * @param {string} destination
   * @param {NativeFetcher} fetcher
   * @param {number} [timeout] milliseconds for each file
   */
  async mirror(destination, fetcher, timeout) {
    const { concurrency, onProgress, signal } = this.#options
    const options = {
      destination: resolve(destination),
      concurrency,
      headers: this.#source.headers,
      timeout,
    }
    /** @type {types.DownloadFailure[]} */
    const failures = []
    /** @type {string[]} */
    const skippedPaths = []
    const onEvent = (/** @type {any} */ event) => {
      if (event.error) event.error = toError(event.error)
      if (event.status === 'failed') failures.push({ path: event.path, error: event.error })
      if (event.status === 'skipped') skippedPaths.push(event.path)
      onProgress?.(event)
    }
    const start = (/** @type {number} */ ticket) => this.#folder.mirror(ticket, options, fetcher)
    const tally = await traced(promised(start, { signal, onEvent }))
    return { destination: options.destination, tally, failures, skippedPaths }
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

module.exports = { DirectoryDownload }
