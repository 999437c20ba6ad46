{{- define "servicelayer-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "servicelayer-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "servicelayer-operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Names outside any namespace carry the namespace, so that two installations do not meet. */ -}}
{{- define "servicelayer-operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "servicelayer-operator.fullname" .) }}
{{- end }}

{{- define "servicelayer-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "servicelayer-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "servicelayer-operator.labels" -}}
{{ include "servicelayer-operator.selectorLabels" . }}
app.kubernetes.io/part-of: servicelayer
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "servicelayer-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "servicelayer-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "servicelayer-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "servicelayer-operator.apiImage" -}}
{{- default (printf "ghcr.io/r3e-network/service_layer:%s" .Chart.AppVersion) .Values.defaults.apiImage }}
{{- end }}

{{- /* What the operator does in a namespace that it serves, and nothing more. */ -}}
{{- define "servicelayer-operator.rules" -}}
- apiGroups: [servicelayer.r3e.network]
  resources: [servicelayers]
  verbs: [get, list, watch]
- apiGroups: [servicelayer.r3e.network]
  resources: [servicelayers/status]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
# Made once, and patched only in their metadata, so that the owner follows spec.deletionPolicy.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
# Whether a volume claim of somebody else has the name that the embedded database would take.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [list, create, patch]
{{- end }}
