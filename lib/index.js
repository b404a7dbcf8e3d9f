'use strict'

module.exports = {
  ...require('./cache-system.js'),
  ...require('./performance-benchmark.js'),
}
