'use strict'

const { GitHubAPICache } = require('./cache-system/github-api-cache.js')
const { RateLimiter } = require('./cache-system/rate-limiter.js')

module.exports = { GitHubAPICache, RateLimiter }
