// Package monitoring names the types whose definitions the tests of the chart install.
package monitoring

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
