// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/**
 * @template T
 * @param {() => T | Promise<T>} load
 * @returns {() => Promise<T>}
 */
function lazy(load) {
  args.callback('load', load)
  /** @type {Promise<T> | undefined} */
  let loading
  return () => {
    loading ??= start().catch((error) => {
      loading = undefined
      throw error
    })
    return loading
  }

  async function start() {
    return await load()
  }
}

module.exports = { lazy }
