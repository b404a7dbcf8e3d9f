'use strict'

module.exports = {
  ...require('./cache-system.js'),
  ...require('./memory-profiler.js'),
}
