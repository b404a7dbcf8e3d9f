'use strict'

const { BatchProcessor } = require('./patterns/batch-processor.js')
const { lazy } = require('./patterns/lazy.js')
const { memoize } = require('./patterns/memoize.js')
const { ObjectPool } = require('./patterns/object-pool.js')

module.exports = { BatchProcessor, ObjectPool, lazy, memoize }
