// @ts-check
'use strict'

const { basename } = require('node:path')
const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')

/** @import * as types from '../monitor.js' */
/** @import { NativeDashboard } from '../../binding.js' */
/** @import { LoadTests } from './load-tests.js' */

/** Milliseconds between two looks at what is slow to read. */
const REFRESH = 5000

/**
 * The half of a dashboard that tells what JavaScript knows, whenever the event loop turns. The server itself is native.
 *
 * @implements {types.DashboardServer}
 */
class DashboardServer {
  #native
  #monitor
  #title
  #interval
  #stop
  /** @type {Promise<void> | undefined} */
  #closed

  /**
   * @param {types.Monitor} monitor
   * @param {InstanceType<typeof LoadTests>} loadTests
   * @param {() => Promise<void>} refresh
   * @param {types.ServeOptions} options
   */
  static async start(monitor, loadTests, refresh, options) {
    const { port, interval, title } = args.object('options', options)
    const settings = {
      port: args.integer('options.port', port ?? 0, 0, 65_535),
      interval: args.number('options.interval', interval ?? 1000, 100, 10_000),
      title: args.string('options.title', title ?? defaultTitle()),
    }
    const start = (/** @type {number} */ ticket) =>
      native.startDashboard(settler, ticket, settings.port, settings.interval)
    /** @type {NativeDashboard} */
    const dashboard = await traced(promised(start))
    return new DashboardServer(dashboard, monitor, loadTests, refresh, settings)
  }

  /**
   * @param {NativeDashboard} dashboard
   * @param {types.Monitor} monitor
   * @param {InstanceType<typeof LoadTests>} loadTests
   * @param {() => Promise<void>} refresh
   * @param {{ interval: number, title: string }} settings
   */
  constructor(dashboard, monitor, loadTests, refresh, { interval, title }) {
    this.#native = dashboard
    this.#monitor = monitor
    this.#interval = interval
    this.#title = title
    this.url = dashboard.url
    this.port = dashboard.port
    const onLoad = (/** @type {types.LoadTestState} */ state) => this.#publish('load', state)
    loadTests.on('load', onLoad)
    for (const state of loadTests.states) onLoad(state)
    const timers = [setInterval(() => this.#tell(), interval), setInterval(refresh, REFRESH)]
    for (const timer of timers) timer.unref()
    this.#stop = () => {
      loadTests.off('load', onLoad)
      for (const timer of timers) clearInterval(timer)
    }
    this.#tell()
    refresh()
  }

  get followers() {
    return this.#native.followers
  }

  close() {
    this.#stop()
    this.#closed ??= traced(promised((ticket) => this.#native.close(settler, ticket)))
    return this.#closed
  }

  async [Symbol.asyncDispose]() {
    await this.close()
  }

  #tell() {
    const about = { interval: this.#interval, process: this.#process() }
    try {
      this.#publish('state', { ...this.#monitor.generateDashboardData(), ...about })
    } catch (error) {
      // Of a `getStats` that somebody made, as a rule. The page is told; the process is not brought down.
      this.#publish('failed', { message: error instanceof Error ? error.message : String(error) })
    }
  }

  #process() {
    return { title: this.#title, pid: process.pid, node: process.versions.node }
  }

  /**
   * @param {string} kind
   * @param {object} data
   */
  #publish(kind, data) {
    this.#native.publish(kind, JSON.stringify(data))
  }
}

function defaultTitle() {
  return process.argv[1] ? basename(process.argv[1]) : 'node'
}

module.exports = { DashboardServer }
