{{/* The name of all objects. */}}
{{- define "bedrock-model-map.fullname" -}}
{{- $chart := .Values.nameOverride | default "bedrock-model-map" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- end -}}
{{- $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "bedrock-model-map.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* Selector of this release's Pods. A Deployment's selector cannot change, so it follows neither an alias of the
chart nor nameOverride. */}}
{{- define "bedrock-model-map.selectorLabels" -}}
app.kubernetes.io/name: bedrock-model-map
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bedrock-model-map.labels" -}}
{{- $own := dict
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- merge (include "bedrock-model-map.selectorLabels" . | fromYaml) $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "bedrock-model-map.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "bedrock-model-map.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name: needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The first part of a repository is its registry if it has a dot or a port. */}}
{{- define "bedrock-model-map.image" -}}
{{- $image := .Values.image -}}
{{- $repository := $image.repository -}}
{{- with .Values.global.imageRegistry -}}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^[^/]*[.:][^/]*/" $repository "") -}}
{{- end -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "bedrock-model-map.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- range concat (.Values.global.imagePullSecrets | default list) .Values.imagePullSecrets -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with $secrets -}}
{{- toYaml (uniq .) -}}
{{- end -}}
{{- end -}}

{{/* Names that other charts have for these values. */}}
{{- define "bedrock-model-map.checkNames" -}}
{{- if hasKey .Values "replicaCount" -}}
{{- fail "replicaCount: this chart names it replicas" -}}
{{- end -}}
{{- if or (hasKey .Values "installCRDs") (hasKey .Values.crds "enabled") -}}
{{- fail "installCRDs, crds.enabled: this chart names it crds.install" -}}
{{- end -}}
{{- end -}}

{{/* Whether user and group are left to the platform. */}}
{{- define "bedrock-model-map.adaptsSecurityContext" -}}
{{- $mode := .Values.openshift.adaptSecurityContext -}}
{{- if or (eq $mode "force") (and (eq $mode "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
true
{{- end -}}
{{- end -}}

{{- define "bedrock-model-map.podSecurityContext" -}}
{{- $context := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- if not (include "bedrock-model-map.adaptsSecurityContext" .) -}}
{{- $context = merge $context (dict "runAsUser" 65532 "runAsGroup" 65532) -}}
{{- end -}}
{{- include "bedrock-model-map.merged" (list $context .Values.podSecurityContext) -}}
{{- end -}}

{{- define "bedrock-model-map.securityContext" -}}
{{- $context := dict
      "allowPrivilegeEscalation" false
      "readOnlyRootFilesystem" true
      "capabilities" (dict "drop" (list "ALL")) -}}
{{- include "bedrock-model-map.merged" (list $context .Values.securityContext) -}}
{{- end -}}

{{/* A map with the fields of a second one over it; null removes a field. */}}
{{- define "bedrock-model-map.merged" -}}
{{- $merged := index . 0 -}}
{{- range $field, $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- $merged = omit $merged $field -}}
{{- else -}}
{{- $merged = set $merged $field $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $merged -}}
{{- end -}}

{{/* Whether ClusterBedrockModelMaps are reconciled. They concern all namespaces. */}}
{{- define "bedrock-model-map.clusterMaps" -}}
{{- if and .Values.clusterMaps.enabled (not .Values.watchNamespaces) -}}
true
{{- end -}}
{{- end -}}

{{/* Rights of the operator in each namespace that it watches. */}}
{{- define "bedrock-model-map.rules" -}}
- apiGroups: [bedrock.modelmap.dev]
  resources: [bedrockmodelmaps]
  verbs: [get, list, watch]
- apiGroups: [bedrock.modelmap.dev]
  resources: [bedrockmodelmaps/status]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
