// @ts-check
'use strict'

/**
 * The cache that the commands look at: that of a client, which has the responses that follow HTTP's rules as well.
 *
 * @param {string} cacheDir
 * @param {{ ttl?: number }} [options]
 */
async function openCache(cacheDir, options) {
  const { OptimizedGitHubClient } = require('../cache-system.js')
  const { cache } = new OptimizedGitHubClient(undefined, { ...options, cacheDir })
  await cache.init()
  return cache
}

module.exports = { openCache }
