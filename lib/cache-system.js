'use strict'

const { RateLimiter } = require('./cache-system/rate-limiter.js')

module.exports = { RateLimiter }
