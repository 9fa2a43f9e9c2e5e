<#
.SYNOPSIS
    Runs the whisper-native service in the foreground on Windows; the first time it installs what that needs.
.DESCRIPTION
    Parameters replace settings of .env. Windows needs a Redis: start the one in docker-compose.redis.yml and set
    WHISPER_REDIS_URL=redis://127.0.0.1:6379/0 in .env. The environment variable PYTHON chooses the Python.
.EXAMPLE
    .\scripts\run_server.ps1 -Port 9001 -Model small -Device cuda
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 65535)] [int] $Port,
    [string] $BindHost,
    [string] $Model,
    [string] $Device,
    [string] $ComputeType,
    [string] $Engine,
    [string] $Only
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$root = Split-Path -Parent $PSScriptRoot
$names = @{
    Port = '--port'; BindHost = '--host'; Model = '--model'
    Device = '--device'; ComputeType = '--compute-type'; Engine = '--engine'; Only = '--only'
}
$arguments = @((Join-Path $PSScriptRoot 'whisper-native.py'), 'run')
foreach ($name in $names.Keys) {
    if ($PSBoundParameters.ContainsKey($name)) {
        $arguments += $names[$name], [string] $PSBoundParameters[$name]
    }
}

# Any Python that starts will do; setup_environment.py finds the version that the service needs.
$candidates = @(@((Join-Path $root '.venv\Scripts\python.exe')), @('py', '-3'), @('python'), @('python3'))
if ($env:PYTHON) { $candidates = , @($env:PYTHON) }
foreach ($candidate in $candidates) {
    $program = $candidate[0]
    $before = @($candidate | Select-Object -Skip 1)
    if (-not (Get-Command $program -ErrorAction SilentlyContinue)) { continue }
    & $program @before -c 'import sys; sys.exit(sys.version_info < (3, 8))'  # the Store's placeholder fails here
    if ($LASTEXITCODE -ne 0) { continue }
    & $program @before @arguments
    exit $LASTEXITCODE
}
[Console]::Error.WriteLine('No Python was found. Install Python 3.11, 3.12 or 3.13 from python.org, or set the environment variable PYTHON to one.')
exit 1
