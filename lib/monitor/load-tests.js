// @ts-check
'use strict'

const { EventEmitter } = require('node:events')

/** @import * as types from '../monitor.js' */
/** @import { LoadTestPoint } from '../performance-benchmark.js' */

/** Those that ended are kept until so many are known. */
const MOST = 10

/**
 * The load tests of attached benchmarks, as they run.
 *
 * @extends {EventEmitter<{ load: [state: types.LoadTestState] }>}
 */
class LoadTests extends EventEmitter {
  #begun = 0
  /** The latest last. @type {types.LoadTestState[]} */
  #states = []

  /** The one that was told of last. @type {types.LoadTestState | null} */
  latest = null

  constructor() {
    super()
    // Each dashboard has one, and takes it away when it closes.
    this.setMaxListeners(0)
  }

  get states() {
    return this.#states.map((state) => ({ ...state }))
  }

  /** @param {string} name */
  begin(name) {
    /** @type {types.LoadTestState} */
    const state = { id: ++this.#begun, name, running: true, point: null }
    this.#states.push(state)
    if (this.#states.length > MOST) this.#forget()
    const tell = (/** @type {Partial<types.LoadTestState>} */ news) => {
      this.latest = { ...Object.assign(state, news) }
      this.emit('load', this.latest)
    }
    tell({})
    return {
      onPoint: (/** @type {LoadTestPoint} */ point) => tell({ point }),
      onEnd: () => tell({ running: false }),
    }
  }

  /** One that has ended, rather than one that runs. */
  #forget() {
    const ended = this.#states.findIndex(({ running }) => !running)
    this.#states.splice(Math.max(0, ended), 1)
  }
}

module.exports = { LoadTests }
