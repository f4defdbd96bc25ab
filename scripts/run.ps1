# Install what is needed (once) and start the studio; it prints its address. What scripts/run does, for Windows:
#   powershell -ExecutionPolicy Bypass -File scripts\run.ps1
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")

function Find-Python {
    # Windows PowerShell takes a program's stderr for an error of its own.
    $ErrorActionPreference = "SilentlyContinue"
    foreach ($words in @(@("py", "-3"), @("python3"), @("python"))) {
        $name = $words[0]
        $rest = @($words | Select-Object -Skip 1)
        if (Get-Command $name) {
            # Windows has a "python" that only opens its shop, and answers nothing.
            $found = & $name @rest -c "import sys; print(sys.version_info >= (3, 11))" 2>$null
            if ($found -eq "True") { return @{ Name = $name; Rest = $rest } }
        }
    }
    [Console]::Error.WriteLine("Python 3.11 or newer is needed and was not found; get it from https://www.python.org.")
    exit 1
}

$python = Join-Path ".venv" (Join-Path "Scripts" "python.exe")
if (-not (Test-Path $python)) {
    $base = Find-Python
    $rest = $base.Rest
    & $base.Name @rest -m venv .venv
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

# Done before, and nothing changed since: nothing to install.
$stampFile = Join-Path ".venv" "installed-requirements.txt"
$stamp = "$(& $python --version) $((Get-FileHash requirements.txt).Hash)"
$before = if (Test-Path $stampFile) { (Get-Content $stampFile -Raw).Trim() } else { "" }
if ($before -ne $stamp) {
    [Console]::Error.WriteLine("Installing requirements.txt (once; takes a minute or two) ...")
    & $python -m pip install --quiet --disable-pip-version-check -r requirements.txt
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    Set-Content -Path $stampFile -Value $stamp
}
& $python app.py @args
exit $LASTEXITCODE
