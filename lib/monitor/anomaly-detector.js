// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')

/** @import * as types from '../monitor.js' */

/** @implements {types.AnomalyDetector} */
class AnomalyDetector {
  #native = new native.NativeAnomalyDetector()

  /**
   * @param {number} value
   * @returns {types.Anomaly | null}
   */
  push(value) {
    return this.#native.push(checked(value))
  }

  /**
   * @param {number} value
   * @returns {number | null}
   */
  score(value) {
    return this.#native.score(checked(value))
  }
}

/** @param {unknown} value */
function checked(value) {
  return args.number('value', value, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
}

module.exports = { AnomalyDetector }
