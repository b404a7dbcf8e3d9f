'use strict'

const { GitHubAPICache } = require('./cache-system/github-api-cache.js')
const { OptimizedGitHubClient } = require('./cache-system/github-client.js')
const { RateLimiter } = require('./cache-system/rate-limiter.js')

module.exports = { GitHubAPICache, OptimizedGitHubClient, RateLimiter }
